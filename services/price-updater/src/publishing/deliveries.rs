//! Sends records, market snapshots and courses in the background, so that a slow receiver does not delay the next poll. A
//! *course* is the last price of one pair at one source.

use std::{sync::Arc, time::Duration};

use common::{
    api::{Code, courses::MarketSnapshot, prices::PriceRecord},
    clients::CallError,
    time::Clock,
};
use tokio::time::Instant;

use super::{delivery_status::DeliveryStatus, mailbox::LatestMailbox, snapshot::StoredCourses};
use crate::{
    metrics::{Delivery, UpdaterMetrics},
    upstreams::{RecordWrite, Upstreams},
};

/// If price-cache-proxy refuses a record that expires within this time, the write does not count as failed. By the clock
/// of price-cache-proxy, which can be ahead, the record may have expired already. The tolerance is less than `STOP_AFTER`,
/// the validity of a stopped price.
const EXPIRY_TOLERANCE: Duration = Duration::from_millis(500);

pub(crate) struct Deliveries {
    clock: Clock,
    upstreams: Arc<dyn Upstreams>,
    publish_interval: Duration,
    metrics: UpdaterMetrics,
    records: LatestMailbox<RecordWrite>,
    record_status: DeliveryStatus,
    snapshots: LatestMailbox<Arc<TermSnapshot>>,
    snapshot_status: DeliveryStatus,
    courses_status: DeliveryStatus,
}

/// A market snapshot and the term of leadership in which it was made.
pub(crate) struct TermSnapshot {
    pub(crate) term: u64,
    pub(crate) snapshot: MarketSnapshot,
}

impl Deliveries {
    pub(crate) fn new(
        clock: Clock,
        upstreams: Arc<dyn Upstreams>,
        publish_interval: Duration,
        metrics: UpdaterMetrics,
    ) -> Self {
        Self {
            clock,
            upstreams,
            publish_interval,
            metrics,
            records: LatestMailbox::new(),
            record_status: DeliveryStatus::new(Delivery::Record),
            snapshots: LatestMailbox::new(),
            snapshot_status: DeliveryStatus::new(Delivery::Snapshot),
            courses_status: DeliveryStatus::new(Delivery::Courses),
        }
    }

    /// Queues a record. The record replaces a queued record that has not been sent yet.
    pub(crate) fn send_record(&self, write: RecordWrite) {
        self.records.post(write);
    }

    /// Queues a snapshot. The snapshot replaces a queued snapshot that has not been sent yet. The changed courses of the snapshot
    /// are also sent to db-proxy.
    pub(crate) fn send_snapshot(&self, snapshot: TermSnapshot) {
        self.snapshots.post(Arc::new(snapshot));
    }

    /// Sends queued values until the call is cancelled.
    pub(crate) async fn run(&self) {
        tokio::join!(self.write_records(), self.write_snapshots(), self.write_courses());
    }

    /// The result of the last write of a record, with the text of its error. `None` before the first write.
    pub(crate) fn last_record_write(&self) -> Option<Result<(), String>> {
        self.record_status.last()
    }

    /// The result of the last write of courses, with the text of its error. `None` before the first write.
    pub(crate) fn last_courses_write(&self) -> Option<Result<(), String>> {
        self.courses_status.last()
    }

    /// Writes the queued records. A failed write is retried for at most one publish interval, because a newer record
    /// is queued after that time. A record that has expired is not written. If a record expires before
    /// price-cache-proxy receives it, the write does not count as failed.
    async fn write_records(&self) {
        let mut records = self.records.reader();
        while let Some(write) = records.next().await {
            if !write.is_current(self.clock.now()) {
                continue;
            }
            let result = self.upstreams.write_record(&write, self.publish_interval).await;
            if is_refused(&result) && !write.is_current(self.clock.now().plus(EXPIRY_TOLERANCE)) {
                continue;
            }
            if let Ok(stored) = &result {
                self.metrics.set_record_time(stored.as_of);
            }
            self.record_status.record(result.as_ref().map(drop), &self.metrics);
        }
    }

    async fn write_snapshots(&self) {
        let mut snapshots = self.snapshots.reader();
        while let Some(latest) = snapshots.next().await {
            let result = self.upstreams.write_snapshot(&latest.snapshot).await;
            self.snapshot_status.record(result.as_ref().map(drop), &self.metrics);
        }
    }

    /// Writes the courses that have changed since they were stored, and sometimes all courses; see
    /// [`StoredCourses::expire`]. The courses of a failed write are sent again with the values of the next snapshot.
    async fn write_courses(&self) {
        let mut stored = StoredCourses::default();
        let mut snapshots = self.snapshots.reader();
        while let Some(latest) = snapshots.next().await {
            stored.expire(latest.term, Instant::now());
            let Some(changed) = stored.changed(&latest.snapshot) else { continue };
            let result = self.upstreams.write_courses(&changed).await;
            if result.is_ok() {
                stored.mark_stored(&changed);
            }
            self.courses_status.record(result.as_ref().map(drop), &self.metrics);
        }
    }
}

fn is_refused(result: &Result<PriceRecord, CallError>) -> bool {
    matches!(result, Err(CallError::Problem(_, problem)) if problem.code == Code::ValidationFailed)
}

#[cfg(test)]
mod tests;
