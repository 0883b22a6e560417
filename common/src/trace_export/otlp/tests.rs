use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    InstrumentationScope as Scope,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::*;

fn span(service: &'static str, name: &'static str) -> SpanData {
    let (trace, id) = (TraceId::from_bytes([1; 16]), SpanId::from_bytes([2; 8]));
    SpanData {
        span_context: SpanContext::new(trace, id, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: SpanId::from_bytes([3; 8]),
        parent_span_is_remote: true,
        span_kind: SpanKind::Server,
        name: Cow::Borrowed(name),
        start_time: SystemTime::now(),
        end_time: SystemTime::now(),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: Scope::builder(service).build(),
    }
}

/// For each resource, the value of `service.name` and the names of the spans.
fn decoded(body: &[u8]) -> Vec<(String, Vec<String>)> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let services = request.resource_spans.into_iter().map(|service| {
        let name = service.resource.unwrap().attributes.into_iter().find(|kv| kv.key == "service.name").unwrap();
        let Some(Value::StringValue(name)) = name.value.unwrap().value else { panic!("service.name is not a string") };
        let spans = service.scope_spans.into_iter().flat_map(|scope| scope.spans);
        (name, spans.map(|span| span.name).collect())
    });
    services.collect()
}

#[test]
fn spans_are_grouped_by_service() {
    let spans = || vec![span("rates", "a"), span("db-proxy", "b"), span("rates", "c")];
    let body = encode(spans(), &ResourceConfig { service_name: None });
    let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    assert_eq!(
        decoded(&body),
        [("db-proxy".to_owned(), vec![b.clone()]), ("rates".to_owned(), vec![a.clone(), c.clone()])]
    );
    let body = encode(spans(), &ResourceConfig { service_name: Some("shop".to_owned()) });
    assert_eq!(decoded(&body), [("shop".to_owned(), vec![b]), ("shop".to_owned(), vec![a, c])]);
}

#[test]
fn response_states_how_many_spans_were_rejected() {
    let response = |rejected_spans| {
        let partial = ExportTracePartialSuccess { rejected_spans, error_message: String::new() };
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    };
    assert_eq!((rejected_spans(&response(3)), rejected_spans(&response(-1))), (3, 0));
    assert_eq!((rejected_spans(b""), rejected_spans(b"{}")), (0, 0));
}
