//! A span in progress.

use std::borrow::Cow;

use opentelemetry::{
    KeyValue, Value,
    trace::{Span as _, Status},
};
use opentelemetry_sdk::trace::Span as SdkSpan;

use super::{ServiceTracer, Trace};

/// A span in progress. Dropping this value ends the span.
#[derive(Debug)]
pub struct Span {
    inner: SdkSpan,
    /// The trace context of the children of this span.
    trace: Trace,
}

impl Span {
    pub(super) fn new(inner: SdkSpan, tracer: ServiceTracer) -> Self {
        let trace = Trace::new(inner.span_context().clone(), Some(tracer));
        Self { inner, trace }
    }

    /// The trace context of the children of this span.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Whether the span is exported. If not, its attributes need not be computed.
    pub fn is_recorded(&self) -> bool {
        self.inner.is_recording()
    }

    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.inner.set_attribute(KeyValue::new(name, value));
    }

    pub fn set_count(&mut self, name: &'static str, count: usize) {
        self.set(name, i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        self.inner.update_name(name);
    }

    /// Adds a link to a span of this or another trace. At most [`MAX_LINKS`](super::MAX_LINKS) are kept.
    pub fn link(&mut self, to: &Trace) {
        self.inner.add_link(to.0.span.clone(), Vec::new());
    }

    /// Marks the operation as failed. `kind` names the kind of the error.
    pub fn fail(&mut self, kind: impl Into<Cow<'static, str>>) {
        let kind = kind.into();
        self.set("error.type", kind.clone());
        self.inner.set_status(Status::error(kind));
    }
}
