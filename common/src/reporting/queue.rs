//! The bounded queue between what a service notices and the sender that tells health-check of it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::api::reports::Report;

/// Most calls that wait: one for each service of the process and instance, for a newer call replaces an older one.
const MAX_CALLS: usize = 64;
/// Most other reports that wait. When more come, the oldest goes: what is happening now matters more to whoever reads, and
/// the logs have everything.
const MAX_WAITING: usize = 1024;

/// Makes a queue. `service` is whom its own notes are from, such as how many reports were dropped.
pub fn report_queue(service: &'static str) -> ReportReceiver {
    ReportReceiver { service, shared: Arc::default() }
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Apart from the rest, so that a flood of warnings does not make a service look as if it had stopped calling.
    calls: VecDeque<Report>,
    reports: VecDeque<Report>,
    dropped: u64,
}

impl Shared {
    /// Never poisoned in earnest: nothing under this lock can leave the queue half changed.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that reports are put into, from anywhere: it never waits and never fails.
#[derive(Clone)]
pub struct ReportQueue(Arc<Shared>);

impl ReportQueue {
    pub fn send(&self, report: Report) {
        let report = report.truncated();
        let mut waiting = self.0.waiting();
        let Waiting { calls, reports, dropped } = &mut *waiting;
        let (queue, limit) = if report.is_heartbeat() {
            calls.retain(|older| !is_same_caller(older, &report));
            (calls, MAX_CALLS)
        } else {
            (reports, MAX_WAITING)
        };
        if queue.len() >= limit {
            queue.pop_front();
            *dropped += 1;
        }
        queue.push_back(report);
        drop(waiting);
        self.0.arrived.notify_one();
    }
}

/// The end that reports are taken from; there is one.
pub struct ReportReceiver {
    pub(super) service: &'static str,
    shared: Arc<Shared>,
}

impl ReportReceiver {
    pub fn queue(&self) -> ReportQueue {
        ReportQueue(Arc::clone(&self.shared))
    }

    /// The next report that waits, calls first.
    pub fn try_next(&mut self) -> Option<Report> {
        let mut waiting = self.shared.waiting();
        waiting.calls.pop_front().or_else(|| waiting.reports.pop_front())
    }

    /// Waits for a report. Nothing is lost where the wait is given up.
    pub async fn next(&mut self) -> Report {
        loop {
            if let Some(report) = self.try_next() {
                return report;
            }
            self.shared.arrived.notified().await;
        }
    }

    /// How many reports were dropped since this was last asked.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.shared.waiting().dropped)
    }

    /// Whether a call waits that says what `report` says, only later.
    pub(super) fn has_newer(&self, report: &Report) -> bool {
        report.is_heartbeat() && self.shared.waiting().calls.iter().any(|newer| is_same_caller(newer, report))
    }
}

fn is_same_caller(a: &Report, b: &Report) -> bool {
    a.service == b.service && a.data.get("instance") == b.data.get("instance")
}

#[cfg(test)]
mod tests;
