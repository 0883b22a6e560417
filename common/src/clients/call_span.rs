//! The span of an attempt to call another service, and the headers that continue the trace there.

use poem::http::{Method, StatusCode};
use reqwest::RequestBuilder;
use url::Url;

use super::CallError;
use crate::{
    request_context::RequestContext,
    traces::{Span, SpanKind, TRACEPARENT, TRACESTATE, Trace},
};

/// The span of one attempt. It ends when the response begins, or when this value is dropped.
pub(super) struct CallSpan {
    span: Option<Span>,
    /// The trace context that the called service receives.
    trace: Option<Trace>,
}

impl CallSpan {
    /// Begins the span of an attempt. `context` is the request that causes the call. A call without such a request has
    /// no span.
    pub(super) fn begin(context: Option<&RequestContext>, service: &'static str, method: &Method, url: &Url) -> Self {
        let Some(trace) = context.and_then(|context| context.trace.as_ref()) else {
            return Self { span: None, trace: None };
        };
        let name = trace.is_recorded().then(|| format!("{method} {service}"));
        let Some(mut span) = name.and_then(|name| trace.start_span(name, SpanKind::Client)) else {
            return Self { span: None, trace: Some(trace.clone()) };
        };
        span.set("http.request.method", method.to_string());
        span.set("peer.service", service);
        if let Some(host) = url.host_str() {
            span.set("server.address", host.to_owned());
        }
        if let Some(port) = url.port_or_known_default() {
            span.set("server.port", i64::from(port));
        }
        span.set("url.path", url.path().to_owned());
        let trace = span.trace().clone();
        Self { span: Some(span), trace: Some(trace) }
    }

    /// Adds the headers that continue the trace.
    pub(super) fn add_headers(&self, request: RequestBuilder) -> RequestBuilder {
        let Some(trace) = &self.trace else { return request };
        let request = request.header(TRACEPARENT, trace.traceparent());
        match trace.tracestate() {
            state if state.is_empty() => request,
            state => request.header(TRACESTATE, state),
        }
    }

    /// Ends the span when the response begins, or when the attempt fails.
    pub(super) fn end(self, result: Result<StatusCode, &CallError>) {
        let Some(mut span) = self.span else { return };
        match result {
            Ok(status) => {
                span.set("http.response.status_code", i64::from(status.as_u16()));
                if status.is_client_error() || status.is_server_error() {
                    span.fail(status.as_str().to_owned());
                }
            }
            Err(CallError::Unreachable(..)) => span.fail("unreachable"),
            Err(CallError::NoResponse(..)) => span.fail("no_response"),
            Err(_) => span.fail("invalid_response"),
        }
    }
}
