//! Polls the sources: which of them are switched on, when each is due, what it answered, and how long it must be left alone.

mod active_sources;
mod backoff_leases;
mod config;
mod poller;
mod pool;

pub(crate) use active_sources::{ActiveSources, ActiveSourcesRoutes};
pub(crate) use backoff_leases::{BackoffLeases, SourceBackoff, fetch_backoffs};
pub(crate) use config::PollConfig;
pub(crate) use pool::SourcePool;
