//! Publishes prices: what the record that orders use becomes, what waits to be sent, and which changes operators are told.

mod alerts;
mod mailbox;
mod record_lifecycle;
mod snapshot;

pub(crate) use alerts::{AlertState, report_change};
pub(crate) use mailbox::{DeliveryStatus, LatestMailbox};
pub(crate) use record_lifecycle::{LifecycleStep, RecordLifecycle, RecordLifetimes, RecordWrite};
pub(crate) use snapshot::{StoredCourses, market_snapshot};
