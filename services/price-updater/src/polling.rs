//! Polls the sources: which of them are active, when each is due, what it answered, and how long it must not be polled.

mod active_sources;
mod backoff_leases;
mod config;
mod poller;
mod source_pool;

pub(crate) use active_sources::ActiveSources;
pub(crate) use backoff_leases::{BackoffLeases, SourceBackoff, fetch_backoffs};
pub(crate) use config::PollConfig;
pub(crate) use source_pool::SourcePool;
