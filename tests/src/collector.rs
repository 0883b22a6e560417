//! A collector of traces, which receives OTLP over HTTP.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use common::text::to_hex;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use poem::{EndpointExt, Route, Server, endpoint::make, http::StatusCode, listener::TcpAcceptor};
use prost::Message;

use crate::wait_until;

/// Maximum time until spans arrive. Services send spans once per second.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
pub struct ReceivedSpan {
    pub service: String,
    pub name: String,
    pub trace_id: String,
    pub id: String,
    /// Empty for the first span of a trace.
    pub parent: String,
    pub trace_state: String,
    /// The trace id and the span id of each linked span.
    pub links: Vec<(String, String)>,
    pub attributes: BTreeMap<String, String>,
}

pub struct Collector {
    pub url: String,
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
    status: Arc<AtomicU16>,
}

impl Collector {
    pub async fn start() -> Self {
        let (spans, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (received, status_to_send) = (spans.clone(), status.clone());
        let endpoint = make(move |mut request: poem::Request| {
            let (received, status_to_send) = (received.clone(), status_to_send.clone());
            async move {
                let body = request.take_body().into_vec().await.unwrap();
                let status = StatusCode::from_u16(status_to_send.load(Ordering::Relaxed)).unwrap();
                if status.is_success() {
                    received.lock().unwrap().extend(decode(&body));
                }
                status
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(Server::new_with_acceptor(acceptor).run(Route::new().at("/v1/traces", endpoint).boxed()));
        Self { url, spans, status }
    }

    /// Responds to further requests with this status. Unless the status is a success, their spans are ignored.
    pub fn respond_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    pub fn spans(&self) -> Vec<ReceivedSpan> {
        self.spans.lock().unwrap().clone()
    }

    pub fn trace(&self, trace_id: &str) -> Vec<ReceivedSpan> {
        self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect()
    }

    /// Waits until the trace has a span of each of these services and names, and returns its spans.
    pub async fn wait_for_trace(&self, trace_id: &str, expected: &[(&str, &str)]) -> Vec<ReceivedSpan> {
        wait_until(&format!("the spans {expected:?} of {trace_id}"), ARRIVAL_LIMIT, async || {
            let spans = self.trace(trace_id);
            let is_received =
                |&(service, name): &(&str, &str)| spans.iter().any(|span| span.service == service && span.name == name);
            expected.iter().all(is_received).then_some(spans)
        })
        .await
    }
}

fn decode(body: &[u8]) -> Vec<ReceivedSpan> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let spans = request.resource_spans.into_iter().flat_map(|resource| {
        let attributes = texts(&resource.resource.unwrap().attributes);
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| received(attributes["service.name"].clone(), span))
    });
    spans.collect()
}

fn received(service: String, span: Span) -> ReceivedSpan {
    ReceivedSpan {
        service,
        trace_id: to_hex(&span.trace_id),
        id: to_hex(&span.span_id),
        parent: to_hex(&span.parent_span_id),
        trace_state: span.trace_state,
        links: span.links.iter().map(|link| (to_hex(&link.trace_id), to_hex(&link.span_id))).collect(),
        attributes: texts(&span.attributes),
        name: span.name,
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(value) => value.to_string(),
        other => format!("{other:?}"),
    };
    let value = |attribute: &KeyValue| attribute.value.as_ref()?.value.as_ref().map(text);
    attributes.iter().filter_map(|attribute| Some((attribute.key.clone(), value(attribute)?))).collect()
}
