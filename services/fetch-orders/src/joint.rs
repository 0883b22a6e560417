//! Many who ask the same at once are answered by one call.
//!
//! A question that nobody asks is asked at once. Whoever comes with the same one meanwhile waits for the next call, never for
//! the one that is under way: an answer is always younger than the question, so whoever placed an order and then asks is
//! shown it. Different questions do not wait for each other.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard},
};

use common::{batch::BatchError, http::CurrentRequest};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{Semaphore, oneshot};

/// Most who wait for an answer at once.
const MOST_WAITING: usize = 4096;

struct Caller<A> {
    answer: oneshot::Sender<A>,
    request: Option<CurrentRequest>,
}

struct Shared<Q, A> {
    ask: Box<dyn Fn(Q) -> BoxFuture<'static, A> + Send + Sync>,
    places: Semaphore,
    /// Who waits for the next call, under each question that is being asked.
    waiting: Mutex<HashMap<Q, Vec<Caller<A>>>>,
}

/// Where questions are asked together.
pub struct Joint<Q, A>(Arc<Shared<Q, A>>);

impl<Q, A> Clone for Joint<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> Joint<Q, A>
where
    Q: Clone + Eq + Hash + Send + 'static,
    A: Clone + Send + 'static,
{
    pub fn new(ask: impl Fn(Q) -> BoxFuture<'static, A> + Send + Sync + 'static) -> Self {
        let (places, waiting) = (Semaphore::new(MOST_WAITING), Mutex::default());
        Self(Arc::new(Shared { ask: Box::new(ask), places, waiting }))
    }

    /// Asks, and waits for an answer to a call that started after this.
    pub async fn ask(&self, question: Q) -> Result<A, BatchError> {
        let _place = self.0.places.try_acquire().map_err(|_| BatchError::Full)?;
        let (answer, receiver) = oneshot::channel();
        let caller = Caller { answer, request: CurrentRequest::get() };
        let first = match self.0.waiting().entry(question.clone()) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(caller);
                None
            }
            Entry::Vacant(place) => {
                place.insert(Vec::new());
                Some(caller)
            }
        };
        if let Some(caller) = first {
            tokio::spawn(self.0.clone().answer(question, vec![caller]));
        }
        receiver.await.map_err(|_| BatchError::Lost)
    }
}

impl<Q, A> Shared<Q, A>
where
    Q: Clone + Eq + Hash,
    A: Clone,
{
    fn waiting(&self) -> MutexGuard<'_, HashMap<Q, Vec<Caller<A>>>> {
        self.waiting.lock().expect("no holder of this lock panics")
    }

    /// Asks one question, again and again while somebody came meanwhile.
    async fn answer(self: Arc<Self>, question: Q, mut callers: Vec<Caller<A>>) {
        loop {
            // A call belongs to the request of the first who wants it.
            let request = callers.iter().find_map(|caller| caller.request.clone());
            let asked = question.clone();
            let call = async { CurrentRequest::scope(request, (self.ask)(asked)).await };
            // Where it panics, its callers are told that their question was lost; the next ones are asked for.
            let answer = tokio::select! {
                answer = AssertUnwindSafe(call).catch_unwind() => answer.ok(),
                () = all_gone(&mut callers) => None,
            };
            if let Some(answer) = answer {
                for caller in callers {
                    let _ = caller.answer.send(answer.clone());
                }
            }
            match self.next(&question) {
                Some(next) => callers = next,
                None => return,
            }
        }
    }

    fn next(&self, question: &Q) -> Option<Vec<Caller<A>>> {
        let mut waiting = self.waiting();
        let next = waiting.get_mut(question).map(std::mem::take).filter(|next| !next.is_empty());
        if next.is_none() {
            waiting.remove(question);
        }
        next
    }
}

/// Waits until nobody wants the answer any more.
async fn all_gone<A>(callers: &mut [Caller<A>]) {
    for caller in callers {
        caller.answer.closed().await;
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(lost.await, Err(BatchError::Lost));
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
}
