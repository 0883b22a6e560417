//! Polls the sources: which of them are switched on, when each is due, what it answered, and how long it must be left alone.

mod active_sources;
mod backoff_leases;
mod config;
mod poller;
mod pool;

pub(crate) use active_sources::{Roster, RosterRoutes};
pub(crate) use backoff_leases::{Paused, Told, told};
pub(crate) use config::Manners;
pub(crate) use pool::Panel;
