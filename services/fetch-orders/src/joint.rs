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

use common::{concurrency::batching::BatchError, request_context::RequestContext};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{Semaphore, oneshot};

/// Most who wait for an answer at once.
const MOST_WAITING: usize = 4096;

struct Caller<A> {
    answer: oneshot::Sender<A>,
    request: Option<RequestContext>,
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
        let caller = Caller { answer, request: RequestContext::current() };
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
        receiver.await.map_err(|_| BatchError::NoResponse)
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
            let call = async { RequestContext::scope(request, (self.ask)(asked)).await };
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
mod tests;
