//! Sends queued reports to health-check.

use std::time::Duration;

use poem::http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{Config, ReportReceiver, instance_name};
use crate::{
    api::{health::Heartbeat, reports::Report},
    clients::{CallError, Retry, ServiceClient, http_client},
    concurrency::backoff::Backoff,
    config::TokenRefusal,
    level::Level,
    startup::{OutageLine, OutageLog},
};

/// The target of the log records of this module. These records are not reported: a failing report would cause further
/// reports.
pub(super) const TARGET: &str = module_path!();

const SERVICE: &str = "health-check";
/// Timeout of one attempt to send a report.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after each sent report. Limits a failing service to 100 reports per second.
const SEND_INTERVAL: Duration = Duration::from_millis(10);
/// Base delay before the first retry while health-check is unavailable; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Maximum base delay before a retry. With the default heartbeat interval, this is far below the time after which health-check
/// considers a service missing.
const MAX_BACKOFF: Duration = Duration::from_secs(15);
/// A report is dropped after this number of internal errors of health-check or invalid responses.
/// After a heartbeat was reduced, the count begins again.
const MAX_ATTEMPTS: u32 = 3;
/// The number of failures in a row after which a warning is logged. A single failure is normal when services start and
/// stop.
const WARN_AFTER_FAILURES: u32 = 2;
/// How long a stopping service tries to send its remaining reports.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Sends the reports of `receiver` until `done` is cancelled, then the remaining reports for at most one second.
///
/// Cancel `done` after [`Heartbeats::send`](super::Heartbeats::send) has returned, so that its last report is sent.
pub async fn send_reports(config: Config, receiver: ReportReceiver, done: CancellationToken) {
    let client = ServiceClient::new(http_client(), SERVICE, config.url, config.token);
    let mut sender = ReportSender::new(client, receiver, BackoffLimits { first: FIRST_BACKOFF, longest: MAX_BACKOFF });
    // Marks the records that the HTTP client logs during a report, so that they are not reported themselves.
    let span = tracing::info_span!("reporting");
    let work = async {
        tokio::select! { biased; () = done.cancelled() => {}, () = sender.send_all() => {} }
        let _ = tokio::time::timeout(FLUSH_DEADLINE, sender.flush()).await;
    };
    work.instrument(span).await;
}

#[derive(Debug, Clone, Copy)]
struct BackoffLimits {
    first: Duration,
    longest: Duration,
}

impl BackoffLimits {
    fn start(self) -> Backoff {
        Backoff::new(self.first, self.longest)
    }
}

struct ReportSender {
    client: ServiceClient,
    receiver: ReportReceiver,
    backoff: BackoffLimits,
    /// The report that is sent next: a report from the queue, or a report about lost reports.
    pending: Option<Report>,
    /// Internal errors of health-check, and invalid responses, to the pending report.
    internal_errors: u32,
    /// Failed attempts in a row, over all reports.
    failures: u32,
    outage: OutageLog,
    /// Number of reports that health-check did not accept since the last loss report. They were dropped.
    refused: u64,
}

impl ReportSender {
    fn new(client: ServiceClient, receiver: ReportReceiver, backoff: BackoffLimits) -> Self {
        Self {
            client,
            receiver,
            backoff,
            pending: None,
            internal_errors: 0,
            failures: 0,
            outage: OutageLog::default(),
            refused: 0,
        }
    }

    async fn send_all(&mut self) {
        let mut backoff = self.backoff.start();
        loop {
            if self.pending.as_ref().is_none_or(|report| self.receiver.has_newer_heartbeat(report)) {
                self.pending = Some(self.receiver.next().await);
                self.internal_errors = 0;
            }
            if self.try_send().await {
                backoff = self.backoff.start();
                tokio::time::sleep(SEND_INTERVAL).await;
            } else {
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }

    /// Sends the remaining reports until an attempt fails.
    async fn flush(&mut self) {
        loop {
            if self.pending.is_none() {
                self.pending = self.receiver.try_next();
                self.internal_errors = 0;
            }
            if self.pending.is_none() || !self.try_send().await {
                return;
            }
        }
    }

    /// Sends the pending report. Returns false if the report remains pending.
    async fn try_send(&mut self) -> bool {
        let Some(report) = &self.pending else { return true };
        // The caller sends a pending report again even if the attempt timed out: a duplicate is better than a loss.
        let outcome = self.client.call(Method::POST, "/report", Some(report), Retry::OnlyIfNotSent, SEND_TIMEOUT).await;
        match outcome.result {
            Ok(_) => {
                self.failures = 0;
                if self.outage.record_success() {
                    tracing::info!("health-check accepts reports again");
                }
                self.pending = self.take_loss_report();
                self.internal_errors = 0;
                true
            }
            Err(error) => self.handle_failure(&error),
        }
    }

    /// Logs the failed attempt, and drops the pending report if it must not be sent again. Returns false if the report remains
    /// pending.
    fn handle_failure(&mut self, error: &CallError) -> bool {
        let cause: &dyn std::error::Error = error;
        tracing::debug!(error = cause, "a report could not be sent");
        self.failures = self.failures.saturating_add(1);
        let line = if self.failures < WARN_AFTER_FAILURES { None } else { self.outage.record_failure() };
        match line {
            Some(OutageLine::NotYet) => tracing::info!(error = cause, "health-check does not accept reports yet"),
            Some(OutageLine::Outage) => {
                tracing::warn!(error = cause, "health-check does not accept reports; sending is retried");
            }
            None => {}
        }
        let drop = match failure_action(error) {
            FailureAction::Retry => false,
            FailureAction::Drop => true,
            FailureAction::RetryUpTo(attempts) => {
                self.internal_errors += 1;
                self.internal_errors >= attempts
            }
        };
        if drop && !self.reduce_heartbeat() {
            if self.pending.take().is_some_and(|report| report.is_heartbeat()) {
                tracing::error!(error = cause, "health-check refuses heartbeats, so it shows an outdated state");
            }
            self.refused += 1;
        }
        self.pending.is_none()
    }

    /// Removes the measurements, the details or the components of a heartbeat that health-check did not accept. A
    /// health-check of another release possibly has lower limits. Returns false if there is nothing to remove.
    fn reduce_heartbeat(&mut self) -> bool {
        let pending = self.pending.as_mut().filter(|report| report.is_heartbeat());
        let reduced = pending.and_then(|report| {
            let heartbeat = serde_json::from_value::<Heartbeat>(report.data.clone()).ok()?.reduced()?;
            report.data = serde_json::to_value(heartbeat).ok()?;
            Some(())
        });
        if reduced.is_some() {
            tracing::warn!("health-check did not accept a heartbeat; the heartbeat is sent again with fewer details");
            self.internal_errors = 0;
        }
        reduced.is_some()
    }

    /// A report about the reports that were lost since the last loss report. `None` if no report was lost.
    fn take_loss_report(&mut self) -> Option<Report> {
        let dropped = self.receiver.take_dropped();
        let refused = std::mem::take(&mut self.refused);
        (dropped + refused > 0).then(|| Report {
            level: Level::Warning,
            service: self.receiver.service.to_owned(),
            status: "reports were lost; the logs contain them".to_owned(),
            data: serde_json::json!({ "instance": instance_name(), "dropped": dropped, "refused": refused }),
        })
    }
}

/// The action after a failed attempt to send a report.
#[derive(Debug, PartialEq, Eq)]
enum FailureAction {
    Retry,
    RetryUpTo(u32),
    Drop,
}

fn failure_action(error: &CallError) -> FailureAction {
    match error {
        // A wrong token affects every report, and an operator can correct it.
        CallError::Unreachable(..)
        | CallError::NoResponse(..)
        | CallError::TokenRefused(_, _, TokenRefusal::Unknown) => FailureAction::Retry,
        CallError::InvalidResponse(..) => FailureAction::RetryUpTo(MAX_ATTEMPTS),
        CallError::TokenRefused(_, _, TokenRefusal::NotPermitted) => FailureAction::Drop,
        CallError::Problem(_, problem) => match problem.code.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => FailureAction::Retry,
            status if status.is_client_error() => FailureAction::Drop,
            _ => FailureAction::RetryUpTo(MAX_ATTEMPTS),
        },
    }
}

#[cfg(test)]
mod tests;
