use opentelemetry_sdk::trace::Sampler;

use super::*;

const PARENT: &str = "00-aaaabbbbccccddddaaaabbbbccccdddd-aaaabbbbccccdddd-01";
const UNSAMPLED_PARENT: &str = "00-aaaabbbbccccddddaaaabbbbccccdddd-aaaabbbbccccdddd-00";

fn parent_based() -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::AlwaysOn))
}

#[test]
fn received_trace_context_is_passed_on_and_starts_no_spans() {
    let trace = Trace::received(PARENT, "vendor=1,other=2").unwrap();
    assert_eq!(trace.id().to_string(), "aaaabbbbccccddddaaaabbbbccccdddd");
    assert_eq!(trace.traceparent(), PARENT);
    assert_eq!(trace.tracestate(), "vendor=1,other=2");
    assert!(!trace.is_recorded() && !trace.has_tracer());
    assert!(trace.start_span("call", SpanKind::Client).is_none());
    assert!(trace.of_batch_member(PARENT).is_none());
}

#[test]
fn malformed_tracestate_is_ignored() {
    let trace = Trace::received(PARENT, "no key").unwrap();
    assert_eq!((trace.traceparent().as_str(), trace.tracestate().as_str()), (PARENT, ""));
}

#[test]
fn span_continues_the_trace_of_its_parent() {
    let (tracer, mut ended, _) = test_tracer(parent_based(), 8);
    let parent = Trace::received(PARENT, "vendor=1").unwrap();
    let mut request = tracer.start_span(Some(&parent), "request", SpanKind::Server);
    request.set_count("size", 3);
    request.rename("renamed");
    request.fail("timeout");
    assert!(request.is_recorded() && request.trace().is_recorded());
    assert_eq!(request.trace().id(), parent.id());
    assert_ne!(request.trace().traceparent(), PARENT);
    assert_eq!(request.trace().tracestate(), "vendor=1");
    let call = request.trace().start_span("call", SpanKind::Client).unwrap();
    drop(call);
    drop(request);
    let (call, request) = (ended.try_recv().unwrap(), ended.try_recv().unwrap());
    assert_eq!((call.name.as_ref(), request.name.as_ref()), ("call", "renamed"));
    assert_eq!(call.parent_span_id, request.span_context.span_id());
    assert_eq!(request.parent_span_id.to_string(), "aaaabbbbccccdddd");
    let attributes: Vec<_> = request.attributes.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
    assert_eq!(attributes, ["size=3", "error.type=timeout"]);
}

#[test]
fn request_of_an_unsampled_trace_records_nothing_and_stays_unsampled() {
    let (tracer, mut ended, _) = test_tracer(parent_based(), 8);
    let parent = Trace::received(UNSAMPLED_PARENT, "").unwrap();
    let request = tracer.start_span(Some(&parent), "request", SpanKind::Server);
    assert!(!request.is_recorded());
    assert_eq!(request.trace().id(), parent.id());
    assert!(request.trace().traceparent().ends_with("-00"));
    assert!(request.trace().start_span("call", SpanKind::Client).is_none());
    // The trace of another order in the same batch can be sampled.
    let member = request.trace().of_batch_member(PARENT).unwrap();
    drop(request);
    assert!(ended.try_recv().is_err());
    drop(member.start_span("commit", SpanKind::Internal));
    assert_eq!(ended.try_recv().unwrap().name, "commit");
}

#[test]
fn span_can_have_a_link_to_another_trace() {
    let (tracer, mut ended, _) = test_tracer(parent_based(), 8);
    let other = Trace::received(PARENT, "").unwrap();
    let mut span = tracer.start_span(None, "batch", SpanKind::Internal);
    span.link(&other);
    drop(span);
    let span = ended.try_recv().unwrap();
    assert_eq!(span.links.iter().map(|link| link.span_context.trace_id()).collect::<Vec<_>>(), [other.id()]);
    assert_ne!(span.span_context.trace_id(), other.id());
}
