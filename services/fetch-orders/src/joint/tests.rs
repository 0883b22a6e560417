use std::pin::Pin;

use tokio::sync::mpsc;

use super::*;

type Call = (u32, oneshot::Sender<u32>);

/// Questions are numbers; each call is handed out, to be answered by the test.
fn joint() -> (Joint<u32, u32>, mpsc::UnboundedReceiver<Call>) {
    let (calls, handed_out) = mpsc::unbounded_channel();
    let ask = move |question| {
        let (answer, receiver) = oneshot::channel();
        calls.send((question, answer)).unwrap();
        async move { receiver.await.unwrap() }.boxed()
    };
    (Joint::new(ask), handed_out)
}

fn asked(joint: &Joint<u32, u32>, question: u32) -> Pin<Box<impl Future<Output = Result<u32, BatchError>>>> {
    let joint = joint.clone();
    let mut ask = Box::pin(async move { joint.ask(question).await });
    assert!((&mut ask).now_or_never().is_none());
    ask
}

#[tokio::test]
async fn the_same_is_asked_once_and_never_answered_by_an_older_call() {
    let (joint, mut calls) = joint();
    let first = asked(&joint, 7);
    let (question, answer) = calls.recv().await.unwrap();
    let later = [asked(&joint, 7), asked(&joint, 7), asked(&joint, 7)];
    let other = asked(&joint, 8);
    let (_, answer_other) = calls.recv().await.unwrap();
    answer.send(1).unwrap();
    assert_eq!((question, first.await), (7, Ok(1)));
    let (question, answer) = calls.recv().await.unwrap();
    answer.send(2).unwrap();
    for ask in later {
        assert_eq!((question, ask.await), (7, Ok(2)));
    }
    answer_other.send(3).unwrap();
    assert_eq!(other.await, Ok(3));
    assert!(calls.try_recv().is_err(), "nothing is asked that nobody waits for");
    assert!(joint.0.waiting().is_empty());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_ends_and_one_that_panics_harms_nobody_else() {
    let (joint, mut calls) = joint();
    let gone = asked(&joint, 7);
    let (_, mut answer) = calls.recv().await.unwrap();
    drop(gone);
    answer.closed().await;
    let lost = asked(&joint, 7);
    // What asks panics where its answer is dropped.
    drop(calls.recv().await.unwrap());
    assert_eq!(lost.await, Err(BatchError::NoResponse));
    let ask = asked(&joint, 7);
    calls.recv().await.unwrap().1.send(1).unwrap();
    assert_eq!(ask.await, Ok(1));
}

#[tokio::test]
async fn no_more_wait_than_there_are_places() {
    let (joint, _calls) = joint();
    let waiting: Vec<_> = (0..MOST_WAITING).map(|_| asked(&joint, 7)).collect();
    assert_eq!(joint.ask(7).await, Err(BatchError::Full));
    drop(waiting);
    drop(asked(&joint, 7));
}
