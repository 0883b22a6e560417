use opentelemetry_sdk::trace::Sampler;

use super::*;
use crate::{ids::RequestId, traces::test_tracer};

const LIMITS: BatchLimits = BatchLimits { max_queued: 8, max_batch_size: 4, max_in_flight: 1 };

#[tokio::test]
async fn each_request_gets_its_own_response_and_batch_size_is_limited() {
    let (sizes, mut seen) = mpsc::unbounded_channel();
    let (batcher, task) = Batcher::new(LIMITS, move |batch: Vec<u32>| {
        let _ = sizes.send(batch.len());
        async move { batch.into_iter().map(|n| n * 2).collect() }
    });
    let task = tokio::spawn(task);
    let answers = futures_util::future::join_all((0..8).map(|n| batcher.submit(n))).await;
    assert_eq!(answers, (0..8).map(|n| Ok(n * 2)).collect::<Vec<_>>());
    drop(batcher);
    task.await.unwrap();
    let mut sizes = Vec::new();
    while let Some(size) = seen.recv().await {
        sizes.push(size);
    }
    assert_eq!(sizes.iter().sum::<usize>(), 8);
    assert!(sizes.iter().all(|size| *size <= 4), "{sizes:?}");
}

/// A batch and the sender that lets its call return.
type Batch = (Vec<u32>, oneshot::Sender<()>);

/// A batcher of numbers. The test receives each batch and decides when its call returns.
fn controlled_batcher(limits: BatchLimits) -> (Batcher<u32, u32>, mpsc::UnboundedReceiver<Batch>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let (batcher, task) = Batcher::new(limits, move |batch: Vec<u32>| {
        let (release, released) = oneshot::channel();
        sender.send((batch.clone(), release)).unwrap();
        async move {
            released.await.unwrap();
            batch
        }
    });
    tokio::spawn(task);
    (batcher, seen)
}

#[tokio::test(start_paused = true)]
async fn batch_gathers_until_it_is_as_large_as_the_batches_in_flight() {
    let (batcher, mut seen) = controlled_batcher(BatchLimits { max_queued: 8, max_batch_size: 8, max_in_flight: 3 });
    let submit = |n| {
        let batcher = batcher.clone();
        polled(async move { batcher.submit(n).await })
    };
    let mut submissions: Vec<_> = (0..2).map(submit).collect();
    let (first, answer_first) = seen.recv().await.unwrap();
    assert_eq!(first, [0, 1], "the batch contains both simultaneous requests");
    submissions.push(submit(2));
    tokio::time::sleep(MAX_LINGER / 2).await;
    assert!(seen.try_recv().is_err(), "the waiting batch must be as large as the batch in flight");
    submissions.push(submit(3));
    let (second, answer_second) = seen.recv().await.unwrap();
    assert_eq!(second, [2, 3]);
    let begun = Instant::now();
    submissions.push(submit(4));
    let (third, answer_third) = seen.recv().await.unwrap();
    assert_eq!((third, begun.elapsed() >= MAX_LINGER), (vec![4], true), "the batch is sent after MAX_LINGER");
    submissions.push(submit(5));
    tokio::time::sleep(MAX_LINGER * 9).await;
    assert!(seen.try_recv().is_err(), "the maximum number of batches is in flight");
    answer_second.send(()).unwrap();
    let (fourth, answer_fourth) = seen.recv().await.unwrap();
    assert_eq!(fourth, [5]);
    drop(batcher);
    for answer in [answer_first, answer_third, answer_fourth] {
        answer.send(()).unwrap();
    }
    let answers = futures_util::future::join_all(submissions).await;
    assert_eq!(answers, (0..6).map(Ok).collect::<Vec<_>>());
}

#[tokio::test]
async fn panicked_batch_does_not_block_later_batches() {
    let (batcher, task) = Batcher::new(LIMITS, |batch: Vec<u32>| async {
        assert_ne!(batch, [13]);
        batch
    });
    let task = tokio::spawn(task);
    assert_eq!(batcher.submit(13).await, Err(BatchError::NoResponse));
    assert_eq!(batcher.submit(1).await, Ok(1));
    drop(batcher);
    task.await.unwrap();
}

#[tokio::test]
async fn request_is_rejected_if_the_queue_is_full() {
    let (batcher, _task) = Batcher::new(LIMITS, |batch: Vec<u32>| async { batch });
    let waiting: Vec<_> = (0..8).map(|n| polled(batcher.submit(n))).collect();
    assert_eq!(batcher.submit(9).await, Err(BatchError::Full));
    drop(waiting);
}

#[tokio::test]
async fn missing_response_is_reported() {
    let (batcher, task) = Batcher::new(LIMITS, |_: Vec<u32>| async { Vec::<u32>::new() });
    let mut waiting: Vec<_> = (0..8).map(|n| polled(batcher.submit(n))).collect();
    let task = tokio::spawn(task);
    for response in &mut waiting {
        assert_eq!(response.await, Err(BatchError::NoResponse));
    }
    drop(waiting);
    drop(batcher);
    task.await.unwrap();
}

/// Polls `future` one time, so that its request is queued.
fn polled<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    future
}

#[tokio::test]
async fn batch_belongs_to_the_first_recorded_trace_and_is_linked_to_each_recorded_request() {
    let (tracer, mut ended, _) = test_tracer(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)), 16);
    let (calls, mut received) = mpsc::unbounded_channel();
    let (batcher, task) = Batcher::new(LIMITS, move |batch: Vec<u32>| {
        calls.send(RequestContext::current()).unwrap();
        async { batch }
    });
    // The trace of the first request is not recorded, and the last request has no trace.
    let contexts = [("1", "00"), ("2", "01"), ("3", "01")].map(|(number, flags)| {
        let traceparent = format!("00-{number:0>32}-{number:0>16}-{flags}");
        let caller = Trace::received(&traceparent, "").unwrap();
        let request = tracer.start_span(Some(&caller), "request", SpanKind::Server);
        Some(request.trace().clone())
    });
    let submissions = contexts.iter().cloned().chain([None]).enumerate().map(|(number, trace)| {
        let id = RequestId::from_caller(Some(&number.to_string()));
        let context = RequestContext { service: "test", id, trace };
        let batcher = batcher.clone();
        polled(RequestContext::scope(Some(context), async move { batcher.submit(0).await }))
    });
    let submissions: Vec<_> = submissions.collect();
    let task = tokio::spawn(task);
    for submission in submissions {
        assert_eq!(submission.await, Ok(0));
    }
    drop(batcher);
    task.await.unwrap();
    let context = received.try_recv().unwrap().unwrap();
    assert_eq!(context.id.as_str(), "1");
    let mut spans: Vec<_> =
        std::iter::from_fn(|| ended.try_recv().ok()).filter(|span| span.name != "request").collect();
    let batch = spans.remove(spans.iter().position(|span| span.name == "batch").unwrap());
    assert_eq!(
        context.trace.unwrap().traceparent().split('-').nth(2).unwrap(),
        batch.span_context.span_id().to_string()
    );
    assert_eq!(batch.span_context.trace_id(), contexts[1].as_ref().unwrap().id());
    assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["queued", "queued"]);
    let linked: Vec<_> = batch.links.iter().map(|link| &link.span_context).collect();
    assert_eq!(linked, spans.iter().map(|span| &span.span_context).collect::<Vec<_>>());
    for queued in &spans {
        assert_eq!(queued.links.iter().map(|link| &link.span_context).collect::<Vec<_>>(), [&batch.span_context]);
    }
}
