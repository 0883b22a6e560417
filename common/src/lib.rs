//! What the services of Buydesk share.
//!
//! The order of the modules is the order of dependence: [`money`], [`ids`] and [`time`] know nothing else; [`api`] is
//! made of them; [`concurrency`] keeps the newest of it; [`clients`] speak [`api`]. [`server`], [`config`], [`telemetry`] and [`metrics`] know no domain.

pub mod api;
pub mod clients;
pub mod concurrency;
pub mod config;
pub mod error_chain;
pub mod ids;
pub mod level;
pub mod metrics;
pub mod money;
pub mod reporting;
pub mod request_context;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod telemetry;
pub mod text;
pub mod time;
