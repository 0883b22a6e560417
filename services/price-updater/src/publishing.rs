//! Publishes prices: decides which record is written, keeps the latest value until it is sent, and alerts operators.

mod alerts;
mod deliveries;
mod delivery_status;
mod mailbox;
mod record_lifecycle;
mod snapshot;

pub(crate) use alerts::{AlertState, report_availability_change};
pub(crate) use deliveries::{Deliveries, TermSnapshot};
pub(crate) use mailbox::LatestMailbox;
pub(crate) use record_lifecycle::{LifecycleStep, RecordLifecycle, RecordLifetimes};
pub(crate) use snapshot::market_snapshot;
