use super::*;

/// A separate tracer, its queue of ended spans, and its counter of dropped spans.
pub(crate) fn test_tracer(sampler: Sampler, capacity: usize) -> (ServiceTracer, mpsc::Receiver<SpanData>, Counter) {
    let (queue, ended) = mpsc::channel(capacity);
    let dropped = Counter::default();
    let provider = provider(sampler, SpanQueue { queue, dropped: dropped.clone() });
    (ServiceTracer(Box::leak(Box::new(provider.tracer("test")))), ended, dropped)
}

#[test]
fn span_is_dropped_and_counted_if_the_queue_is_full() {
    let (tracer, mut ended, dropped) = test_tracer(Sampler::AlwaysOn, 2);
    for name in ["first", "second", "third"] {
        drop(tracer.start_span(None, name, SpanKind::Internal));
    }
    let names: Vec<_> = std::iter::from_fn(|| ended.try_recv().ok()).map(|span| span.name).collect();
    assert_eq!(names, ["first", "second"]);
    assert_eq!(dropped.get(), 1);
}

#[test]
fn span_keeps_a_link_to_each_member_of_the_largest_batch() {
    let (tracer, mut ended, _) = test_tracer(Sampler::AlwaysOn, 2);
    let member = tracer.start_span(None, "member", SpanKind::Internal).trace().clone();
    let mut batch = tracer.start_span(None, "batch", SpanKind::Internal);
    for _ in 0..MAX_LINKS {
        batch.link(&member);
    }
    drop(batch);
    ended.try_recv().unwrap();
    assert_eq!(ended.try_recv().unwrap().links.len(), 1024);
}
