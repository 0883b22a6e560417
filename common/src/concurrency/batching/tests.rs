use super::*;

const LIMITS: BatchLimits = BatchLimits { max_queued: 8, max_batch_size: 4, max_in_flight: 1 };

#[tokio::test]
async fn each_gets_its_own_answer_and_groups_are_bounded() {
    let (sizes, mut seen) = mpsc::unbounded_channel();
    let (batcher, task) = Batcher::new(LIMITS, move |group: Vec<u32>| {
        let _ = sizes.send(group.len());
        async move { group.into_iter().map(|n| n * 2).collect() }
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

/// A group, and the way to answer it.
type Group = (Vec<u32>, oneshot::Sender<()>);

/// Questions are numbers; each group is handed out.
fn handed_out(limits: BatchLimits) -> (Batcher<u32, u32>, mpsc::UnboundedReceiver<Group>) {
    let (groups, seen) = mpsc::unbounded_channel();
    let (batcher, task) = Batcher::new(limits, move |group: Vec<u32>| {
        let (go_on, answered) = oneshot::channel();
        groups.send((group.clone(), go_on)).unwrap();
        async move {
            answered.await.unwrap();
            group
        }
    });
    tokio::spawn(task);
    (batcher, seen)
}

#[tokio::test(start_paused = true)]
async fn a_group_gathers_until_it_is_as_large_as_those_under_way() {
    let (batcher, mut seen) = handed_out(BatchLimits { max_queued: 8, max_batch_size: 8, max_in_flight: 3 });
    let ask = |n| {
        let batcher = batcher.clone();
        polled(async move { batcher.submit(n).await })
    };
    let mut asks: Vec<_> = (0..2).map(ask).collect();
    let (first, answer_first) = seen.recv().await.unwrap();
    assert_eq!(first, [0, 1], "what comes at once goes at once");
    asks.push(ask(2));
    tokio::time::sleep(MAX_LINGER / 2).await;
    assert!(seen.try_recv().is_err(), "one is less than two");
    asks.push(ask(3));
    let (second, answer_second) = seen.recv().await.unwrap();
    assert_eq!(second, [2, 3]);
    let begun = Instant::now();
    asks.push(ask(4));
    let (third, answer_third) = seen.recv().await.unwrap();
    assert_eq!((third, begun.elapsed() >= MAX_LINGER), (vec![4], true), "it does not wait for ever");
    asks.push(ask(5));
    tokio::time::sleep(MAX_LINGER * 9).await;
    assert!(seen.try_recv().is_err(), "there is no place");
    answer_second.send(()).unwrap();
    let (fourth, answer_fourth) = seen.recv().await.unwrap();
    assert_eq!(fourth, [5]);
    drop(batcher);
    for answer in [answer_first, answer_third, answer_fourth] {
        answer.send(()).unwrap();
    }
    let answers = futures_util::future::join_all(asks).await;
    assert_eq!(answers, (0..6).map(Ok).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_group_that_panics_gives_its_place_back() {
    let (batcher, task) = Batcher::new(LIMITS, |group: Vec<u32>| async {
        assert_ne!(group, [13]);
        group
    });
    let task = tokio::spawn(task);
    assert_eq!(batcher.submit(13).await, Err(BatchError::NoResponse));
    assert_eq!(batcher.submit(1).await, Ok(1));
    drop(batcher);
    task.await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_lost_question_is_told() {
    let (batcher, task) = Batcher::new(LIMITS, |_: Vec<u32>| async { Vec::<u32>::new() });
    let waiting: Vec<_> = (0..8).map(|n| batcher.submit(n)).collect();
    let mut waiting: Vec<_> = waiting.into_iter().map(polled).collect();
    assert_eq!(batcher.submit(9).await, Err(BatchError::Full));
    let task = tokio::spawn(task);
    for ask in &mut waiting {
        assert_eq!(ask.await, Err(BatchError::NoResponse));
    }
    drop(waiting);
    drop(batcher);
    task.await.unwrap();
}

/// Polls once, so that the question is in the queue.
fn polled<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    future
}
