//! Publishes prices: decides which record is written, sends the latest record and market snapshot, and alerts
//! operators.

mod alerts;
mod deliveries;
mod delivery_status;
mod mailbox;
mod price_metrics;
mod record_lifecycle;
mod snapshot;

pub(crate) use alerts::{AlertState, report_availability_changes, report_guard_event};
pub(crate) use deliveries::{Deliveries, TermSnapshot};
pub(crate) use mailbox::LatestMailbox;
pub(crate) use price_metrics::PriceMetrics;
pub(crate) use record_lifecycle::{CurrencyStatus, LifecycleStep, PriceAvailability, RecordLifecycle, RecordLifetimes};
pub(crate) use snapshot::market_snapshot;
