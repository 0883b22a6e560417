//! Single-flight: concurrent callers of the same key share one call.
//!
//! The first caller of a key starts a call at once. [`JoinPolicy`] decides which call answers the callers that arrive
//! while that call runs. Calls of different keys do not wait for each other. A call is cancelled when no caller waits
//! for it any more.

use std::{
    collections::HashMap,
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::sync::{Semaphore, oneshot};

use crate::request_context::RequestContext;

/// The value of `max_callers` that sets no limit.
pub const UNLIMITED: usize = Semaphore::MAX_PERMITS;

/// Which call answers a caller that arrives while a call for its key runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinPolicy {
    /// The running call. It started before the caller arrived, so its result may be out of date for the caller.
    Running,
    /// The next call, which starts when the running call ends. It always starts after the caller arrived.
    Next,
}

/// Why a caller received no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SingleFlightError {
    #[error("too many callers are waiting for a result")]
    TooManyCallers,
    /// The call panicked.
    #[error("the call ended without a result")]
    NoResult,
}

/// The result of one call, as its callers wait for it.
type Response<T> = Shared<oneshot::Receiver<T>>;
/// A weak reference to a [`Response`]. The call is cancelled when the last caller drops its response.
type WeakResponse<T> = Option<WeakShared<oneshot::Receiver<T>>>;

/// A call that has not started.
struct Flight<T> {
    result: oneshot::Sender<T>,
    response: WeakResponse<T>,
    /// The request of the first caller. The call runs as a part of it.
    request: Option<RequestContext>,
}

/// The calls of one key.
struct Flights<T> {
    running: WeakResponse<T>,
    next: Option<Flight<T>>,
}

struct Inner<K, T> {
    call: Box<dyn Fn(K) -> BoxFuture<'static, T> + Send + Sync>,
    policy: JoinPolicy,
    callers: Semaphore,
    flights: Mutex<HashMap<K, Flights<T>>>,
}

/// Shares calls among callers. Clones share the same calls.
pub struct SingleFlight<K, T>(Arc<Inner<K, T>>);

impl<K, T> Clone for SingleFlight<K, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// `call` computes the result of a key. At most `max_callers` callers wait at the same time.
    pub fn new<F, Fut>(policy: JoinPolicy, max_callers: usize, call: F) -> Self
    where
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = T> + Send + 'static,
    {
        Self(Arc::new(Inner {
            call: Box::new(move |key| call(key).boxed()),
            policy,
            callers: Semaphore::new(max_callers),
            flights: Mutex::default(),
        }))
    }

    /// Returns the result of the call that the policy selects for this caller.
    pub async fn get(&self, key: K) -> Result<T, SingleFlightError> {
        let _permit = self.0.callers.try_acquire().map_err(|_| SingleFlightError::TooManyCallers)?;
        self.0.join_call(key).await.map_err(|_| SingleFlightError::NoResult)
    }
}

impl<K, T> Inner<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    fn flights(&self) -> MutexGuard<'_, HashMap<K, Flights<T>>> {
        self.flights.lock().expect("no holder of this lock panics")
    }

    /// Selects the call that answers a new caller of `key`. Starts a call if none runs for the key.
    fn join_call(self: &Arc<Self>, key: K) -> Response<T> {
        let mut all = self.flights();
        let Some(flights) = all.get_mut(&key) else {
            let (flight, response) = Flight::new();
            all.insert(key.clone(), Flights { running: flight.response.clone(), next: None });
            tokio::spawn(self.clone().run_calls(key, flight));
            return response;
        };
        let running = flights.running.as_ref().filter(|_| self.policy == JoinPolicy::Running);
        let next = flights.next.as_ref().and_then(|next| next.response.as_ref());
        if let Some(response) = running.and_then(WeakShared::upgrade).or_else(|| next.and_then(WeakShared::upgrade)) {
            return response;
        }
        let (flight, response) = Flight::new();
        flights.next = Some(flight);
        response
    }

    /// Makes one call after the other until no caller waits.
    async fn run_calls(self: Arc<Self>, key: K, mut flight: Flight<T>) {
        loop {
            let Flight { mut result, request, .. } = flight;
            let called = key.clone();
            let call = RequestContext::scope(request, async { (self.call)(called).await });
            // After a panic the callers of this call receive an error, and the next call is made as usual.
            let output = tokio::select! {
                output = AssertUnwindSafe(call).catch_unwind() => output.ok(),
                () = result.closed() => None,
            };
            match self.finish_call(&key, result, output) {
                Some(next) => flight = next,
                None => return,
            }
        }
    }

    /// Answers the callers of the running call and returns the next call. Both happen under the lock, so no caller can
    /// join a call that has ended.
    fn finish_call(&self, key: &K, result: oneshot::Sender<T>, output: Option<T>) -> Option<Flight<T>> {
        let mut all = self.flights();
        if let Some(output) = output {
            let _ = result.send(output);
        }
        let flights = all.get_mut(key)?;
        let next = flights.next.take().filter(|next| !next.result.is_closed());
        match &next {
            Some(next) => flights.running.clone_from(&next.response),
            None => drop(all.remove(key)),
        }
        next
    }
}

impl<T: Clone> Flight<T> {
    fn new() -> (Self, Response<T>) {
        let (result, response) = oneshot::channel();
        let response = response.shared();
        (Self { result, response: response.downgrade(), request: RequestContext::current() }, response)
    }
}

#[cfg(test)]
mod tests;
