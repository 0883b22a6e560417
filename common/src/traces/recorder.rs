//! Recording of spans: the tracers of the services of this process, and the queue of ended spans.

use std::{borrow::Cow, sync::OnceLock, time::Duration};

use opentelemetry::{
    Context,
    trace::{SpanKind, TraceContextExt, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span as SdkSpan, SpanData, SpanProcessor},
};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use super::{Span, Trace};
use crate::metrics::Metrics;

/// Maximum number of ended spans that wait for their export. Further spans are dropped. A waiting span takes about 1 KB.
pub(super) const MAX_WAITING_SPANS: usize = 8192;
/// Maximum number of links of a span. A transaction of db-proxy has at most this many members.
pub const MAX_LINKS: u32 = 1024;

static RECORDER: OnceLock<Recorder> = OnceLock::new();

#[derive(Debug)]
struct Recorder {
    tracers: Vec<(&'static str, SdkTracer)>,
    counters: SpanCounters,
}

/// How many spans were exported, and how many were lost.
#[derive(Debug, Clone, Default)]
pub struct SpanCounters {
    pub exported: Counter,
    /// Spans that were lost because the queue was full, because the collector refused them, or because they could not
    /// be sent before the process stopped.
    pub dropped: Counter,
}

#[derive(Debug, thiserror::Error)]
#[error("traces are already set up")]
pub struct AlreadyInstalled;

/// Begins to record the spans of these services. The name of the instrumentation scope of a span is the name of its service.
///
/// Returns the queue of ended spans. Must be called at most once per process, before the services are built.
pub fn install(
    sampler: Sampler,
    services: &[&'static str],
) -> Result<(mpsc::Receiver<SpanData>, SpanCounters), AlreadyInstalled> {
    let (queue, ended) = mpsc::channel(MAX_WAITING_SPANS);
    let counters = SpanCounters::default();
    let provider = provider(sampler, SpanQueue { queue, dropped: counters.dropped.clone() });
    let tracers = services.iter().map(|&service| (service, provider.tracer(service))).collect();
    RECORDER.set(Recorder { tracers, counters: counters.clone() }).map_err(|_| AlreadyInstalled)?;
    Ok((ended, counters))
}

fn provider(sampler: Sampler, queue: SpanQueue) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_max_links_per_span(MAX_LINKS)
        // The exporter adds the resource, because each service of a process has its own resource.
        .with_resource(Resource::builder_empty().build())
        .with_span_processor(queue)
        .build()
}

/// Begins the spans of one service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceTracer(&'static SdkTracer);

impl ServiceTracer {
    /// The tracer of a service. `None` if nothing is recorded.
    pub fn of(service: &str) -> Option<Self> {
        let tracers = &RECORDER.get()?.tracers;
        tracers.iter().find(|(name, _)| *name == service).map(|(_, tracer)| Self(tracer))
    }

    /// Registers the metrics about recorded spans. All services of a process export the same values.
    pub fn register_metrics(self, metrics: &Metrics) {
        if let Some(Recorder { counters: SpanCounters { exported, dropped }, .. }) = RECORDER.get() {
            metrics.register("trace_spans_exported", "Spans that the collector has accepted", exported.clone());
            let help = "Spans that were lost, because the queue was full, the collector refused them, or they could not be sent before the end of the process";
            metrics.register("trace_spans_dropped", help, dropped.clone());
        }
    }

    /// Begins a span below `parent`, or a new trace. The sampler decides whether the span is recorded.
    pub fn start_span(self, parent: Option<&Trace>, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Span {
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.0.span.clone()),
            None => Context::new(),
        };
        let span = self.0.span_builder(name).with_kind(kind);
        Span::new(self.0.build_with_context(span, &parent), self)
    }
}

/// Puts ended spans into a bounded queue. Never waits.
#[derive(Debug)]
struct SpanQueue {
    queue: mpsc::Sender<SpanData>,
    dropped: Counter,
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.queue.try_send(span).is_err() {
            self.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
