//! Polls the sources. Tracks which sources are active, when each is due, what each last reported, and the backoff of each.

mod active_sources;
mod backoff_leases;
mod config;
mod poller;
mod source_pool;

pub(crate) use active_sources::ActiveSources;
pub(crate) use backoff_leases::{BackoffLeases, SourceBackoff, fetch_backoffs};
pub(crate) use config::PollConfig;
pub(crate) use source_pool::SourcePool;
