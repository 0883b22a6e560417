use poem::http::HeaderName;

use super::*;

const PARENT: &str = "00-aaaabbbbccccddddaaaabbbbccccdddd-aaaabbbbccccdddd-01";

fn received(lines: &[(&'static str, &str)]) -> Option<Trace> {
    let lines = lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, value);
    }
    received_trace(&headers)
}

#[test]
fn trace_context_of_the_caller_is_read_with_its_tracestate() {
    let trace = received(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]).unwrap();
    assert_eq!((trace.traceparent().as_str(), trace.tracestate().as_str()), (PARENT, "a=1,b=2"));
}

#[test]
fn missing_repeated_or_malformed_traceparent_is_ignored() {
    assert_eq!(received(&[]), None);
    assert_eq!(received(&[("tracestate", "a=1")]), None);
    assert_eq!(received(&[("traceparent", PARENT), ("traceparent", PARENT)]), None);
    assert_eq!(received(&[("traceparent", &PARENT.to_uppercase())]), None);
}
