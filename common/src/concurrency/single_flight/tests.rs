use std::pin::Pin;

use tokio::sync::mpsc;

use super::*;

const MAX_CALLERS: usize = 16;

/// A call that was made: its key, and the sender of its result.
type Call = (u32, oneshot::Sender<u32>);

/// A `SingleFlight` whose calls are answered by the test.
fn single_flight(policy: JoinPolicy) -> (SingleFlight<u32, u32>, mpsc::UnboundedReceiver<Call>) {
    let (call_sender, calls) = mpsc::unbounded_channel();
    let call = move |key| {
        let (result, response) = oneshot::channel();
        call_sender.send((key, result)).unwrap();
        async move { response.await.unwrap() }
    };
    (SingleFlight::new(policy, MAX_CALLERS, call), calls)
}

/// A caller that has joined a call and waits for its result.
fn caller(
    single_flight: &SingleFlight<u32, u32>,
    key: u32,
) -> Pin<Box<impl Future<Output = Result<u32, SingleFlightError>>>> {
    let single_flight = single_flight.clone();
    let mut caller = Box::pin(async move { single_flight.get(key).await });
    assert!((&mut caller).now_or_never().is_none());
    caller
}

#[tokio::test]
async fn callers_share_the_next_call_and_never_receive_an_older_result() {
    let (single_flight, mut calls) = single_flight(JoinPolicy::Next);
    let first = caller(&single_flight, 7);
    let (key, result) = calls.recv().await.unwrap();
    let later = [caller(&single_flight, 7), caller(&single_flight, 7), caller(&single_flight, 7)];
    let other = caller(&single_flight, 8);
    let (_, other_result) = calls.recv().await.unwrap();
    result.send(1).unwrap();
    assert_eq!((key, first.await), (7, Ok(1)));
    let (key, result) = calls.recv().await.unwrap();
    result.send(2).unwrap();
    for caller in later {
        assert_eq!((key, caller.await), (7, Ok(2)));
    }
    other_result.send(3).unwrap();
    assert_eq!(other.await, Ok(3));
    assert!(calls.try_recv().is_err(), "a call was made that no caller waits for");
    assert!(single_flight.0.flights().is_empty());
}

#[tokio::test]
async fn callers_share_the_running_call() {
    let (single_flight, mut calls) = single_flight(JoinPolicy::Running);
    let callers = [caller(&single_flight, 7), caller(&single_flight, 7), caller(&single_flight, 7)];
    let (_, result) = calls.recv().await.unwrap();
    result.send(1).unwrap();
    for caller in callers {
        assert_eq!(caller.await, Ok(1));
    }
    assert!(calls.try_recv().is_err() && single_flight.0.flights().is_empty());
    // A call that has ended is not joined.
    let later = caller(&single_flight, 7);
    calls.recv().await.unwrap().1.send(2).unwrap();
    assert_eq!(later.await, Ok(2));
}

#[tokio::test]
async fn abandoned_call_is_not_joined() {
    let (single_flight, mut calls) = single_flight(JoinPolicy::Running);
    let leaving = caller(&single_flight, 7);
    let (_, _abandoned) = calls.recv().await.unwrap();
    drop(leaving);
    let caller = caller(&single_flight, 7);
    calls.recv().await.unwrap().1.send(1).unwrap();
    assert_eq!(caller.await, Ok(1));
}

#[tokio::test]
async fn call_without_callers_is_cancelled() {
    let (single_flight, mut calls) = single_flight(JoinPolicy::Next);
    let leaving = caller(&single_flight, 7);
    let (_, mut result) = calls.recv().await.unwrap();
    drop(leaving);
    result.closed().await;
}

#[tokio::test]
async fn panic_of_a_call_fails_only_its_own_callers() {
    let (single_flight, mut calls) = single_flight(JoinPolicy::Next);
    let failed = caller(&single_flight, 7);
    // The call panics when its result is dropped.
    drop(calls.recv().await.unwrap());
    assert_eq!(failed.await, Err(SingleFlightError::NoResult));
    let caller = caller(&single_flight, 7);
    calls.recv().await.unwrap().1.send(1).unwrap();
    assert_eq!(caller.await, Ok(1));
}

#[tokio::test]
async fn callers_beyond_the_limit_are_refused() {
    let (single_flight, _calls) = single_flight(JoinPolicy::Next);
    let waiting: Vec<_> = (0..MAX_CALLERS).map(|_| caller(&single_flight, 7)).collect();
    assert_eq!(single_flight.get(7).await, Err(SingleFlightError::TooManyCallers));
    drop(waiting);
    drop(caller(&single_flight, 7));
}
