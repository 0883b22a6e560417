//! Polls the sources. Tracks the active sources, and for each source its next poll, its last tickers and its errors.

mod active_sources;
mod backoff_leases;
mod config;
mod poller;
mod source_pool;

pub(crate) use active_sources::ActiveSources;
pub(crate) use backoff_leases::{BackoffLeases, SourceBackoff, fetch_backoffs};
pub(crate) use config::PollConfig;
pub(crate) use source_pool::SourcePool;
pub use source_pool::{CHECK_SIMULATION, CHECK_SOURCES, CONNECT_OR_SIMULATE, suggests_no_connection};
