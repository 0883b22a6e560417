//! Sends recorded spans to an OpenTelemetry collector, by OTLP over HTTP.
//!
//! Ended spans go through a bounded queue and are sent in the background. A slow or unavailable collector therefore affects no request:
//! when the queue is full, spans are dropped and counted.

mod config;
mod otlp;

use std::{error::Error, time::Duration};

use bytes::Bytes;
use opentelemetry_sdk::trace::SpanData;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::config::Config;
use self::otlp::ResourceConfig;
use crate::{
    clients::http_client,
    concurrency::backoff::Backoff,
    startup::{OutageLine, OutageLog},
    traces::{self, SpanCounters},
};

/// Maximum number of spans in one request to the collector.
const MAX_EXPORTED: usize = 512;
/// Maximum time that an ended span waits for further spans.
const EXPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time limit of one request to the collector.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the spans that remain at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Base delay before the first retry of a request; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Maximum base delay before a retry of a request.
const MAX_BACKOFF: Duration = Duration::from_secs(15);

/// The task that sends spans.
#[must_use]
pub struct TraceExport {
    task: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

/// Begins to record and to send the spans of these services. Does nothing if traces are not configured.
///
/// Must be called at most once per process, before the services are built. Fails if traces are already set up.
pub fn start(config: Option<Config>, services: &[&'static str]) -> anyhow::Result<TraceExport> {
    let stop = CancellationToken::new();
    let Some(Config { endpoint, headers, service_name, sampler }) = config else {
        return Ok(TraceExport { task: None, stop });
    };
    let (ended, counters) = traces::install(sampler, services)?;
    tracing::info!(%endpoint, "traces are sent to a collector");
    let exporter = Exporter {
        http: http_client(),
        endpoint,
        headers,
        resources: ResourceConfig { service_name },
        ended,
        counters,
        outage: OutageLog::default(),
        stop: stop.clone(),
    };
    Ok(TraceExport { task: Some(tokio::spawn(exporter.run())), stop })
}

impl TraceExport {
    /// Sends the spans that have ended, for at most two seconds, and stops.
    pub async fn stop(self) {
        self.stop.cancel();
        let Some(mut task) = self.task else { return };
        if timeout(FLUSH_TIMEOUT, &mut task).await.is_err() {
            task.abort();
            tracing::info!("the last spans were not sent, because the collector did not respond in time");
        }
    }
}

/// Why the collector did not accept spans.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("the collector cannot be reached")]
    Transport(#[from] reqwest::Error),
    #[error("the collector responded with {0}")]
    Status(StatusCode),
}

impl ExportError {
    /// Whether the same request can succeed later. The specification of OTLP names these statuses, except 408.
    fn is_transient(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504),
        }
    }
}

struct Exporter {
    http: reqwest::Client,
    endpoint: Url,
    headers: HeaderMap,
    resources: ResourceConfig,
    ended: mpsc::Receiver<SpanData>,
    counters: SpanCounters,
    outage: OutageLog,
    stop: CancellationToken,
}

impl Exporter {
    async fn run(mut self) {
        loop {
            let spans = self.gather().await;
            if spans.is_empty() {
                return;
            }
            self.export(spans).await;
        }
    }

    /// Waits for spans, and then for further spans until [`EXPORT_INTERVAL`] has passed or [`MAX_EXPORTED`] spans are
    /// gathered. After the stop, returns the waiting spans immediately. Returns no spans if the task must end.
    async fn gather(&mut self) -> Vec<SpanData> {
        let mut spans = Vec::new();
        tokio::select! {
            biased;
            received = self.ended.recv_many(&mut spans, MAX_EXPORTED) => if received == 0 { return spans },
            () = self.stop.cancelled() => return spans,
        }
        let due = tokio::time::sleep(EXPORT_INTERVAL);
        tokio::pin!(due);
        while spans.len() < MAX_EXPORTED {
            let room = MAX_EXPORTED - spans.len();
            tokio::select! {
                biased;
                received = self.ended.recv_many(&mut spans, room) => if received == 0 { break },
                () = &mut due => break,
                () = self.stop.cancelled() => break,
            }
        }
        spans
    }

    /// Sends spans until the collector accepts or refuses them. After the stop, makes one attempt.
    async fn export(&mut self, spans: Vec<SpanData>) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let body = Bytes::from(otlp::encode(spans, &self.resources));
        let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_BACKOFF);
        loop {
            let error = match self.send(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.counters.exported.inc_by(count - rejected);
                    self.counters.dropped.inc_by(rejected);
                    if self.outage.record_success() {
                        tracing::info!("the collector accepts traces again");
                    }
                    return;
                }
                Err(error) => error,
            };
            self.log_failure(&error);
            if !error.is_transient() || self.stop.is_cancelled() {
                self.counters.dropped.inc_by(count);
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    fn log_failure(&mut self, error: &ExportError) {
        let cause: &dyn Error = error;
        match self.outage.record_failure() {
            Some(OutageLine::NotYet) => tracing::info!(error = cause, "the collector does not accept traces yet"),
            Some(OutageLine::Outage) => {
                tracing::warn!(
                    error = cause,
                    "the collector does not accept traces; spans beyond the queue are dropped"
                );
            }
            None => {}
        }
    }

    /// Returns how many of the spans the collector has rejected.
    async fn send(&self, body: Bytes) -> Result<u64, ExportError> {
        let request = self.http.post(self.endpoint.clone()).timeout(EXPORT_TIMEOUT).headers(self.headers.clone());
        let response = request.header(CONTENT_TYPE, "application/x-protobuf").body(body).send().await?;
        if !response.status().is_success() {
            return Err(ExportError::Status(response.status()));
        }
        Ok(otlp::rejected_spans(&response.bytes().await?))
    }
}

#[cfg(test)]
mod tests;
