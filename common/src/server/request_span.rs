//! The trace context of a request, and its span.

use std::borrow::Cow;

use poem::{
    Request,
    http::{HeaderMap, HeaderName, Method},
};

use super::common_paths::PROBE_PATHS;
use crate::{
    ids::RequestId,
    traces::{ServiceTracer, Span, SpanKind, TRACEPARENT, TRACESTATE, Trace},
};

// The lookup of a parsed name is faster than the lookup of a string.
const PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);
const STATE: HeaderName = HeaderName::from_static(TRACESTATE);

/// The span of a request. The span ends when this value is dropped, even if the client has closed the connection.
pub(super) struct RequestSpan(Option<Span>);

impl RequestSpan {
    /// Begins the span of a request, and returns the trace context of the request. Without a tracer, and for a probe,
    /// returns the trace context of the caller. Probes have no span, because they are sent every few seconds.
    pub(super) fn begin(tracer: Option<ServiceTracer>, request: &Request, id: &RequestId) -> (Self, Option<Trace>) {
        let received = received_trace(request.headers());
        let path = request.uri().path();
        let Some(tracer) = tracer.filter(|_| !PROBE_PATHS.contains(&path)) else { return (Self(None), received) };
        let mut span = tracer.start_span(received.as_ref(), "request", SpanKind::Server);
        let trace = span.trace().clone();
        if !span.is_recorded() {
            return (Self(None), Some(trace));
        }
        span.set("http.request.method", request.method().to_string());
        span.set("url.path", path.to_owned());
        span.set("buydesk.request_id", id.to_string());
        (Self(Some(span)), Some(trace))
    }

    /// Records the response. `route` returns the documented path of the operation, if the request has one. `route` is
    /// called only for a recorded request.
    pub(super) fn end<'a>(self, method: &Method, route: impl FnOnce() -> Option<&'a str>, status: u16) {
        let Some(mut span) = self.0 else { return };
        span.set("http.response.status_code", i64::from(status));
        match route() {
            Some(route) => {
                span.rename(format!("{method} {route}"));
                span.set("http.route", route.to_owned());
            }
            None => span.rename(method.to_string()),
        }
        if status >= 500 {
            span.fail(status.to_string());
        }
    }
}

/// The trace context that the caller sent. `None` if `traceparent` is missing, repeated or malformed.
fn received_trace(headers: &HeaderMap) -> Option<Trace> {
    let mut parents = headers.get_all(PARENT).into_iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    Trace::received(parent, &joined(headers, &STATE))
}

/// The values of a header, joined with commas.
fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Cow<'a, str> {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let first = values.next().unwrap_or_default();
    values.fold(Cow::Borrowed(first), |all, value| Cow::Owned(format!("{all},{value}")))
}

#[cfg(test)]
mod tests;
