//! The bounded queue of reports that wait to be sent.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::api::reports::Report;

/// Maximum number of queued heartbeats. At most one heartbeat of each service of the process is queued.
const MAX_HEARTBEATS: usize = 64;
/// Maximum number of other queued reports. If this number is reached, a new report replaces the oldest queued report. The replaced
/// report is only in the logs.
const MAX_REPORTS: usize = 1024;

/// Creates a queue, and returns its receiving end. Reports about the queue itself, such as the number of dropped reports, are sent
/// under the name `service`.
pub fn report_queue(service: &'static str) -> ReportReceiver {
    ReportReceiver { service, shared: Arc::default() }
}

#[derive(Default)]
struct Shared {
    queued: Mutex<Queued>,
    arrived: Notify,
}

#[derive(Default)]
struct Queued {
    /// Separate from the other reports, so that a flood of warnings does not replace heartbeats.
    heartbeats: VecDeque<Report>,
    reports: VecDeque<Report>,
    dropped: u64,
}

impl Shared {
    /// Ignores poisoning: no panic under this lock can leave the queue inconsistent.
    fn queued(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sending end of the queue. Clones share the queue.
#[derive(Clone)]
pub struct ReportQueue(Arc<Shared>);

impl ReportQueue {
    /// Queues a report. Never blocks and never fails: a full queue drops its oldest report.
    pub fn push(&self, report: Report) {
        let report = report.truncated();
        let mut queued = self.0.queued();
        let Queued { heartbeats, reports, dropped } = &mut *queued;
        let (queue, limit) = if report.is_heartbeat() {
            heartbeats.retain(|older| !is_same_instance(older, &report));
            (heartbeats, MAX_HEARTBEATS)
        } else {
            (reports, MAX_REPORTS)
        };
        if queue.len() >= limit {
            queue.pop_front();
            *dropped += 1;
        }
        queue.push_back(report);
        drop(queued);
        self.0.arrived.notify_one();
    }
}

/// The single receiving end of the queue.
pub struct ReportReceiver {
    pub(super) service: &'static str,
    shared: Arc<Shared>,
}

impl ReportReceiver {
    pub fn queue(&self) -> ReportQueue {
        ReportQueue(Arc::clone(&self.shared))
    }

    /// The next queued report. Heartbeats come first.
    pub fn try_next(&mut self) -> Option<Report> {
        let mut queued = self.shared.queued();
        queued.heartbeats.pop_front().or_else(|| queued.reports.pop_front())
    }

    /// Waits for the next report. Cancel safe.
    pub async fn next(&mut self) -> Report {
        loop {
            if let Some(report) = self.try_next() {
                return report;
            }
            self.shared.arrived.notified().await;
        }
    }

    /// Returns the number of reports that were dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.shared.queued().dropped)
    }

    /// Whether `report` is a heartbeat and a newer heartbeat of the same instance is queued.
    pub(super) fn has_newer_heartbeat(&self, report: &Report) -> bool {
        report.is_heartbeat() && self.shared.queued().heartbeats.iter().any(|newer| is_same_instance(newer, report))
    }
}

fn is_same_instance(a: &Report, b: &Report) -> bool {
    a.service == b.service && a.data.get("instance") == b.data.get("instance")
}

#[cfg(test)]
mod tests;
