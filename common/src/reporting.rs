//! What a service tells health-check: that it is alive, and its warnings and worse. All of it goes through a bounded queue
//! and is sent in the background, so that health-check may be slow or away without anybody noticing but the operator.

mod queue;

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use poem::http::{Method, StatusCode};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use url::Url;

pub use self::queue::{ReportQueue, ReportReceiver, report_queue};
use crate::{
    api::{
        health::{Component, Heartbeat, Readiness},
        reports::Report,
    },
    clients::{CallError, Retry, ServiceClient, http_client},
    concurrency::backoff::Backoff,
    config::{Env, Secret},
    level::Level,
    server::ReadinessCheck,
};

/// What the reporter says itself has this target, and is never made a report: it would report that it cannot report.
pub(crate) const TARGET: &str = module_path!();

const SERVICE: &str = "health-check";
/// How long one report may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the outside parts may take to say whether they are there.
const READINESS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a service looks whether what it needs is there. It calls when that changed, and else once an interval.
const LOOK: Duration = Duration::from_secs(2);
/// Wait after a report that was sent: at most 100 a second, for a service in trouble has better things to do.
const PACE: Duration = Duration::from_millis(10);
/// First wait while health-check is away; each further one is twice as long, and drawn between half and all of it. Even the
/// longest is far below the time after which a service counts as missing.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(15);
/// How often a report is sent that health-check answers with a fault of its own.
const MAX_FAULTS: u32 = 3;
/// How many failures in a row are worth a line in the log: not the first, which every start and end of all services brings.
const TOLD_FAILURES: u32 = 2;
/// How long the end of a service waits for its last reports to get there.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub struct Config {
    pub url: Url,
    pub token: Secret,
    pub alive_interval: Duration,
}

impl Config {
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            url: env.url("HEALTH_CHECK_URL", "http://127.0.0.1:8050"),
            token: env.secret("INTERNAL_TOKEN"),
            alive_interval: env.seconds("ALIVE_INTERVAL_SECS", 60, 1..=3600),
        }
    }
}

/// Names this process among the instances of its services: the machine (in a container, the container) and the process.
/// A container that starts again has the name it had before, and so takes the place of the instance that died.
pub fn instance_name() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(|| {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
        let host = host.unwrap_or_default();
        let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).take(48).collect();
        format!("{}-{}", if host.is_empty() { "host" } else { &host }, std::process::id())
    })
}

/// Calls at once, then every `interval` and whenever a part came or went; says at `stop` that the service goes down, and ends.
pub async fn send_heartbeats(
    service: &'static str,
    ready: ReadinessCheck,
    interval: Duration,
    queue: ReportQueue,
    stop: CancellationToken,
) {
    let start = Instant::now();
    let call = |status: &str, ready: bool, parts: Vec<Component>| {
        let call = Heartbeat {
            instance: instance_name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interval_secs: interval.as_secs().max(1),
            uptime_secs: start.elapsed().as_secs(),
            ready,
            parts,
        };
        let data = serde_json::to_value(call).unwrap_or_default();
        queue.send(Report { level: Level::Info, service: service.to_owned(), status: status.to_owned(), data });
    };
    let mut looks = tokio::time::interval(interval.min(LOOK));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let calls = async {
        let mut told: Option<(Instant, Vec<bool>)> = None;
        loop {
            looks.tick().await;
            let asked = tokio::time::timeout(READINESS_TIMEOUT, ready()).await;
            let parts = asked.unwrap_or_else(|_| vec![Component::missing("readiness", "did not answer in time")]);
            let there: Vec<bool> = parts.iter().map(|part| part.ready).collect();
            if told.as_ref().is_some_and(|(at, before)| at.elapsed() < interval && *before == there) {
                continue;
            }
            let readiness = Readiness::from(parts);
            call(Report::ALIVE, readiness.ready, readiness.parts);
            told = Some((Instant::now(), there));
        }
    };
    tokio::select! { biased; () = stop.cancelled() => {}, () = calls => {} }
    call(Report::STOPPING, false, Vec::new());
}

/// Sends what comes out of `source` until `done`, then what is left, for a second at most. To be told after the last
/// [`send_heartbeats`] has ended, so that its word of going down is among it.
pub async fn send_reports(config: Config, source: ReportReceiver, done: CancellationToken) {
    let caller = ServiceClient::new(http_client(), SERVICE, config.url, config.token);
    let backoff = (FIRST_BACKOFF, MAX_BACKOFF);
    let mut sender = ReportSender { caller, source, backoff, pending: None, faults: 0, failures: 0, refused: 0 };
    // The span marks what the clients below say on the way.
    let span = tracing::info_span!("reporting");
    let work = async {
        tokio::select! { biased; () = done.cancelled() => {}, () = sender.deliver() => {} }
        let _ = tokio::time::timeout(FLUSH_DEADLINE, sender.flush()).await;
    };
    work.instrument(span).await;
}

struct ReportSender {
    caller: ServiceClient,
    source: ReportReceiver,
    /// The first wait while health-check is away, and the longest.
    backoff: (Duration, Duration),
    /// Taken from the queue, and not known to have arrived.
    pending: Option<Report>,
    /// How often health-check failed over the report in hand.
    faults: u32,
    /// How often in a row nothing got through.
    failures: u32,
    /// How many reports it would not take, since it was last told.
    refused: u64,
}

impl ReportSender {
    async fn deliver(&mut self) {
        let mut backoff = Backoff::new(self.backoff.0, self.backoff.1);
        loop {
            if self.pending.as_ref().is_none_or(|report| self.source.has_newer(report)) {
                self.pending = Some(self.source.next().await);
                self.faults = 0;
            }
            if self.try_send().await {
                backoff = Backoff::new(self.backoff.0, self.backoff.1);
                tokio::time::sleep(PACE).await;
            } else {
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }

    /// Sends what waits, as long as it gets there.
    async fn flush(&mut self) {
        loop {
            if self.pending.is_none() {
                self.pending = self.source.try_next();
                self.faults = 0;
            }
            if self.pending.is_none() || !self.try_send().await {
                return;
            }
        }
    }

    /// Sends the report in hand. False where it is to be tried again later.
    async fn try_send(&mut self) -> bool {
        let Some(report) = &self.pending else { return true };
        // A report that arrives twice does less harm than one that does not.
        let sent = self.caller.call(Method::POST, "/report", Some(report), Retry::OnlyIfNotSent, SEND_TIMEOUT).await;
        match sent.result {
            Ok(_) => {
                if std::mem::take(&mut self.failures) >= TOLD_FAILURES {
                    tracing::info!("health-check takes reports again");
                }
                self.pending = self.note_of_loss();
                true
            }
            Err(error) => {
                let cause: &dyn std::error::Error = &error;
                tracing::debug!(error = cause, "a report did not get through");
                self.failures = self.failures.saturating_add(1);
                if self.failures == TOLD_FAILURES {
                    tracing::warn!(error = cause, "health-check does not take reports; it is tried again");
                }
                self.faults += 1;
                let drop = match verdict(&error) {
                    Verdict::Keep => false,
                    Verdict::Drop => true,
                    Verdict::KeepFor(times) => self.faults >= times,
                };
                if drop {
                    self.pending = None;
                    self.refused += 1;
                }
                drop
            }
        }
    }

    /// The operator is told of what is not there to be read.
    fn note_of_loss(&mut self) -> Option<Report> {
        let dropped = self.source.take_dropped();
        let refused = std::mem::take(&mut self.refused);
        (dropped + refused > 0).then(|| Report {
            level: Level::Warning,
            service: self.source.service.to_owned(),
            status: "reports were lost; the logs have them".to_owned(),
            data: serde_json::json!({ "instance": instance_name(), "dropped": dropped, "refused": refused }),
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    KeepFor(u32),
    Drop,
}

/// What becomes of a report after it could not be sent.
fn verdict(error: &CallError) -> Verdict {
    match error {
        CallError::Unreachable(..) | CallError::NoResponse(..) => Verdict::Keep,
        CallError::InvalidResponse(..) => Verdict::KeepFor(MAX_FAULTS),
        CallError::Problem(_, problem) => match problem.code.status() {
            // A wrong token concerns all reports, and somebody may be about to mend it.
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Verdict::Keep,
            status if status.is_client_error() => Verdict::Drop,
            _ => Verdict::KeepFor(MAX_FAULTS),
        },
    }
}

#[cfg(test)]
mod tests;
