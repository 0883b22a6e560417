//! The code that the services of Buydesk share.
//!
//! Modules are ordered in layers. A module uses modules of lower layers and its own children. Some modules also use
//! modules of their own layer, without cycles.
//!
//! | layer | modules | content |
//! |---|---|---|
//! | 8 | [`live_settings`], [`service`] | settings that change without a restart; the life cycle of a service: settings, logs, listener, reports, shutdown |
//! | 7 | [`error_tracking`], [`process`], [`reporting`], [`shutdown`], [`trace_export`] | errors for Sentry; runtime and limits of the process; heartbeats and warnings for health-check; signals; sending recorded spans |
//! | 6 | [`clients`] | typed clients of the services |
//! | 5 | [`server`] | serving a router: middleware, limits, operations endpoints; uses [`access`] and some modules of [`api`]: the error format, the health types, the schema rules, the checks of parameters and the API keys |
//! | 4 | [`telemetry`] | logs |
//! | 3 | [`api`], [`access`] | the wire types and the error format; the access rules |
//! | 2 | [`concurrency`], [`config`], [`error_chain`], [`io_errors`], [`metrics`], [`redis_connection`], [`request_context`], [`startup`], [`traces`] | general building blocks |
//! | 1 | [`ids`], [`level`], [`money`], [`paths`], [`spelling`], [`text`], [`time`] | value types and text, without I/O |
//!
//! [`telemetry`] uses layers 1 and 2 only. [`clients`] does not use [`server`] or [`telemetry`].
//! `tests/integration/architecture.rs` lists every permitted use.

pub mod access;
pub mod api;
pub mod clients;
pub mod concurrency;
pub mod config;
pub mod error_chain;
pub mod error_tracking;
pub mod ids;
pub mod io_errors;
pub mod level;
pub mod live_settings;
pub mod metrics;
pub mod money;
pub mod paths;
pub mod process;
pub mod redis_connection;
pub mod reporting;
pub mod request_context;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod spelling;
pub mod startup;
pub mod telemetry;
pub mod text;
pub mod time;
pub mod trace_export;
pub mod traces;
