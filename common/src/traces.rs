//! Traces: the trace context of a request (W3C Trace Context), and the spans that services record (OpenTelemetry).
//!
//! No spans are recorded until [`install`] is called. A `traceparent` that a caller sends is logged and passed on.
//!
//! Spans are recorded for requests that a service receives (except probes), for their calls to other services and their
//! batches, and for transactions of db-proxy. `docs/operations.md` lists all spans. The OpenTelemetry API is used
//! directly, because a span of `tracing` costs time for each request even if nothing is recorded.

mod recorder;
mod span;
mod traceparent;

use std::{borrow::Cow, sync::Arc};

pub use opentelemetry::trace::SpanKind;
use opentelemetry::trace::{SpanContext, TraceId, TraceState};

pub use self::{
    recorder::{AlreadyInstalled, MAX_LINKS, ServiceTracer, SpanCounters, install},
    span::Span,
};

#[cfg(test)]
pub(crate) use self::recorder::tests::test_tracer;

/// The header with the trace context of the caller.
pub const TRACEPARENT: &str = "traceparent";
/// The header with data of other systems about the trace. It is passed on unchanged.
pub const TRACESTATE: &str = "tracestate";

/// A trace context: the span that is the parent of new spans.
#[derive(Debug, Clone)]
pub struct Trace(Arc<TraceContext>);

#[derive(Debug)]
struct TraceContext {
    span: SpanContext,
    /// The tracer of the service that handles the request. `None` if nothing is recorded.
    tracer: Option<ServiceTracer>,
}

impl PartialEq for Trace {
    fn eq(&self, other: &Self) -> bool {
        self.0.span == other.0.span
    }
}

impl Eq for Trace {}

impl Trace {
    /// The trace context that a caller sent in the headers [`TRACEPARENT`] and [`TRACESTATE`]. `None` if `traceparent` is malformed. A
    /// malformed `tracestate` is ignored.
    pub fn received(traceparent: &str, tracestate: &str) -> Option<Self> {
        let state = tracestate.parse::<TraceState>().unwrap_or_default();
        traceparent::parse(traceparent, state).map(|span| Self::new(span, None))
    }

    fn new(span: SpanContext, tracer: Option<ServiceTracer>) -> Self {
        Self(Arc::new(TraceContext { span, tracer }))
    }

    /// The id of the trace. It is displayed as 32 hexadecimal digits.
    pub fn id(&self) -> TraceId {
        self.0.span.trace_id()
    }

    /// The value of the header [`TRACEPARENT`] of a call.
    pub fn traceparent(&self) -> String {
        traceparent::format(&self.0.span)
    }

    /// The value of the header [`TRACESTATE`] of a call. Empty if the call has no such header.
    pub fn tracestate(&self) -> String {
        self.0.span.trace_state().header()
    }

    /// Whether this trace context has a tracer. The tracer records spans only if the trace is sampled.
    pub fn has_tracer(&self) -> bool {
        self.0.tracer.is_some()
    }

    /// Whether spans in this trace context are recorded.
    pub fn is_recorded(&self) -> bool {
        self.0.tracer.is_some() && self.0.span.is_sampled()
    }

    /// Begins a child of the span of this trace context. `None` if the child would not be recorded.
    pub fn start_span(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Option<Span> {
        let tracer = self.0.tracer.filter(|_| self.0.span.is_sampled())?;
        Some(tracer.start_span(Some(self), name, kind))
    }

    /// The trace context of another request of the same batch, from its `traceparent`. The service of `self` records
    /// spans in this trace context. `None` if nothing is recorded or `traceparent` is malformed.
    pub fn of_batch_member(&self, traceparent: &str) -> Option<Self> {
        let tracer = self.0.tracer?;
        traceparent::parse(traceparent, TraceState::default()).map(|span| Self::new(span, Some(tracer)))
    }
}

#[cfg(test)]
mod tests;
