//! Single-flight: concurrent callers of the same key share one call.
//!
//! The first caller of a key starts a call immediately. [`JoinPolicy`] decides which call answers the callers that
//! arrive while that call runs. Calls of different keys do not wait for each other. A call is cancelled when no caller
//! waits for it any more.

use std::{
    collections::HashMap,
    hash::Hash,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, Weak},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument;

use crate::request_context::RequestContext;

/// The value of `max_callers` that sets no limit.
pub const UNLIMITED: usize = Semaphore::MAX_PERMITS;

/// Which call answers a caller that arrives while a call for its key runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinPolicy {
    /// The running call, or the next call if every other caller of the running call has left. The running call started before
    /// the caller arrived, so its result may be out of date for the caller.
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

/// One call, running or not started yet, and its callers.
struct Flight<T> {
    callers: Vec<oneshot::Sender<T>>,
    /// Every waiting caller holds the guard. When the last caller leaves, the guard is dropped, which cancels the call.
    cancel_guard: Weak<DropGuard>,
    cancelled: CancellationToken,
    /// The request of the first caller. The call runs in the context of this request.
    request: Option<RequestContext>,
}

/// The receiver of the result of one caller, and the guard that keeps the call running.
struct Waiter<T> {
    result: oneshot::Receiver<T>,
    _cancel_guard: Arc<DropGuard>,
}

/// The calls of one key.
struct Flights<T> {
    running: Flight<T>,
    next: Option<Flight<T>>,
}

struct Inner<K, T> {
    call: Box<dyn Fn(K) -> BoxFuture<'static, T> + Send + Sync>,
    policy: JoinPolicy,
    /// One permit for each caller that may wait.
    permits: Semaphore,
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
            permits: Semaphore::new(max_callers),
            flights: Mutex::default(),
        }))
    }

    /// Returns the result of the call that the policy selects for this caller.
    pub async fn get(&self, key: K) -> Result<T, SingleFlightError> {
        let _permit = self.0.permits.try_acquire().map_err(|_| SingleFlightError::TooManyCallers)?;
        let mut waiter = self.0.join_call(key);
        (&mut waiter.result).await.map_err(|_| SingleFlightError::NoResult)
    }
}

impl<K, T> Inner<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    fn flights(&self) -> MutexGuard<'_, HashMap<K, Flights<T>>> {
        self.flights.lock().expect("the lock of the calls is not poisoned")
    }

    /// Selects the call that answers a new caller of `key`. Starts a call if none runs for the key.
    fn join_call(self: &Arc<Self>, key: K) -> Waiter<T> {
        let mut all = self.flights();
        let Some(flights) = all.get_mut(&key) else {
            let (running, waiter) = Flight::new();
            let (cancelled, request) = (running.cancelled.clone(), running.request.clone());
            all.insert(key.clone(), Flights { running, next: None });
            tokio::spawn(self.clone().run_calls(key, cancelled, request).in_current_span());
            return waiter;
        };
        if self.policy == JoinPolicy::Running
            && let Some(waiter) = flights.running.join()
        {
            return waiter;
        }
        if let Some(waiter) = flights.next.as_mut().and_then(Flight::join) {
            return waiter;
        }
        let (next, waiter) = Flight::new();
        flights.next = Some(next);
        waiter
    }

    /// Makes one call after another until no caller waits.
    async fn run_calls(self: Arc<Self>, key: K, mut cancelled: CancellationToken, mut request: Option<RequestContext>) {
        loop {
            let called = key.clone();
            let call = RequestContext::scope(request, async { (self.call)(called).await });
            // After a panic the callers of this call receive an error, and the next call is made as usual.
            let output = tokio::select! {
                output = AssertUnwindSafe(call).catch_unwind() => output.ok(),
                () = cancelled.cancelled() => None,
            };
            match self.finish_call(&key, output) {
                Some(next) => (cancelled, request) = next,
                None => return,
            }
        }
    }

    /// Sends the result of the running call to its callers, and makes the next call the running call. Returns the cancellation
    /// token and the request of the next call. Returns `None` if there is no next call.
    fn finish_call(&self, key: &K, output: Option<T>) -> Option<(CancellationToken, Option<RequestContext>)> {
        let mut all = self.flights();
        let flights = all.get_mut(key)?;
        let next = flights.next.take().filter(|next| next.cancel_guard.strong_count() > 0);
        let (ended, following) = match next {
            Some(next) => {
                let following = (next.cancelled.clone(), next.request.clone());
                (std::mem::replace(&mut flights.running, next), Some(following))
            }
            None => (all.remove(key)?.running, None),
        };
        // A caller may call again as soon as it receives its result, so the lock is released first.
        drop(all);
        if let Some(output) = output {
            for caller in ended.callers {
                let _ = caller.send(output.clone());
            }
        }
        following
    }
}

impl<T> Flight<T> {
    fn new() -> (Self, Waiter<T>) {
        let cancelled = CancellationToken::new();
        let cancel_guard = Arc::new(cancelled.clone().drop_guard());
        let (caller, result) = oneshot::channel();
        let flight = Self {
            callers: vec![caller],
            cancel_guard: Arc::downgrade(&cancel_guard),
            cancelled,
            request: RequestContext::current(),
        };
        (flight, Waiter { result, _cancel_guard: cancel_guard })
    }

    /// Adds a caller. Returns `None` if all callers have left, because the call is cancelled.
    fn join(&mut self) -> Option<Waiter<T>> {
        let cancel_guard = self.cancel_guard.upgrade()?;
        let (caller, result) = oneshot::channel();
        self.callers.push(caller);
        Some(Waiter { result, _cancel_guard: cancel_guard })
    }
}

#[cfg(test)]
mod tests;
