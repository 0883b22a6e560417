//! What the services of Buydesk share.
//!
//! The order of the modules is the order of dependence: [`money`], [`ids`] and [`time`] know nothing else; [`api`] is
//! made of them; [`latest`] keeps the newest of it; [`clients`] speak [`api`]. [`http`], [`config`], [`telemetry`] and [`metrics`] know no domain.

pub mod api;
pub mod backoff;
pub mod batch;
pub mod clients;
pub mod config;
pub mod http;
pub mod ids;
pub mod latest;
pub mod metrics;
pub mod money;
pub mod service;
pub mod shutdown;
pub mod telemetry;
pub mod text;
pub mod time;
