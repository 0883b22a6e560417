//! Micro-batching: many small requests are sent as a few batches.
//!
//! A request is sent immediately if no batch is in flight. Otherwise, the next batch gathers requests until it is as
//! large as all batches in flight together. Most of the cost of a call does not depend on the batch size, so larger
//! batches raise throughput under load. While fewer than [`BatchLimits::max_in_flight`] batches are in flight, a
//! request waits at most [`MAX_LINGER`] for its batch to fill.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinSet},
    time::Instant,
};
use tracing::Instrument;

use crate::{
    request_context::RequestContext,
    traces::{Span, SpanKind, Trace},
};

/// How long an incomplete batch waits for more requests if fewer than `max_in_flight` batches are in flight.
const MAX_LINGER: Duration = Duration::from_millis(5);

/// The limits of a batcher. Each must be at least 1.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Maximum number of requests in the queue. A request leaves the queue when it joins the batch that is being gathered.
    pub max_queued: usize,
    /// Maximum number of requests in a batch.
    pub max_batch_size: usize,
    /// Maximum number of batches in flight. A few suffice, because batches grow with the number of requests in flight.
    pub max_in_flight: usize,
}

/// Why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The queue is full. The request was not sent.
    #[error("too many requests are waiting")]
    Full,
    /// The batcher has stopped. The request was not sent.
    #[error("the service is shutting down")]
    Stopped,
    /// It is unknown whether the request was sent: its call or the batcher ended without a response.
    #[error("no response was received")]
    NoResponse,
}

/// A request that waits for its response.
struct Pending<Q, A> {
    request: Q,
    context: Option<RequestContext>,
    /// The span of the time until the batch of the request is sent.
    queued: Option<Box<Span>>,
    responder: oneshot::Sender<A>,
}

/// Sends requests in batches and returns to each caller its own response. Clones share the batches.
pub struct Batcher<Q, A> {
    queue: mpsc::Sender<Pending<Q, A>>,
}

impl<Q, A> Clone for Batcher<Q, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// Returns the batcher, and the task that sends its batches. The task ends when all clones of the batcher are dropped and
    /// all requests are answered.
    ///
    /// `call` receives a batch and returns one response per request, in the same order. It runs in the context of one
    /// request: the first request with a recorded trace, or the first request if no trace is recorded. For each other
    /// request, a log line at level debug contains its id and the id of the request whose context is used.
    ///
    /// The span of the batch and the span `queued` of each request with a recorded trace have links to each other.
    pub fn new<F, Fut>(limits: BatchLimits, call: F) -> (Self, impl Future<Output = ()> + Send)
    where
        F: Fn(Vec<Q>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<A>> + Send + 'static,
    {
        let (queue, receiver) = mpsc::channel(limits.max_queued);
        (Self { queue }, run_batches(limits, Arc::new(call), receiver))
    }

    /// Submits a request and waits for its response.
    pub async fn submit(&self, request: Q) -> Result<A, BatchError> {
        let (responder, response) = oneshot::channel();
        let context = RequestContext::current();
        let queued = context.as_ref().and_then(|context| start_span(context, "queued")).map(Box::new);
        let pending = Pending { request, context, queued, responder };
        self.queue.try_send(pending).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => BatchError::Full,
            mpsc::error::TrySendError::Closed(_) => BatchError::Stopped,
        })?;
        response.await.map_err(|_| BatchError::NoResponse)
    }
}

/// Begins a span in the trace context of a request. `None` if it would not be recorded.
fn start_span(context: &RequestContext, name: &'static str) -> Option<Span> {
    context.trace.as_ref()?.start_span(name, SpanKind::Internal)
}

async fn run_batches<Q, A, F, Fut>(limits: BatchLimits, call: Arc<F>, mut queue: mpsc::Receiver<Pending<Q, A>>)
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<A>> + Send + 'static,
{
    let mut in_flight = InFlight::default();
    let mut gathered = Vec::new();
    // When the first gathered request arrived.
    let mut gathering_since = Instant::now();
    let mut closed = false;
    loop {
        let target_size = in_flight.requests().clamp(1, limits.max_batch_size);
        let due = gathered.len() >= target_size || closed || gathering_since.elapsed() >= MAX_LINGER;
        if !gathered.is_empty() && due && in_flight.batches() < limits.max_in_flight {
            let mut batch = std::mem::take(&mut gathered);
            // Drops the requests whose callers no longer wait.
            batch.retain(|pending: &Pending<Q, A>| !pending.responder.is_closed());
            if !batch.is_empty() {
                in_flight.start(batch.len(), send_batch(call.clone(), batch));
            }
        }
        let (was_empty, room) = (gathered.is_empty(), limits.max_batch_size - gathered.len());
        let may_start = in_flight.batches() < limits.max_in_flight;
        tokio::select! {
            biased;
            () = in_flight.join_next(), if in_flight.batches() > 0 => {}
            received = queue.recv_many(&mut gathered, room), if room > 0 && !closed => {
                closed = received == 0;
                if was_empty {
                    gathering_since = Instant::now();
                }
            }
            () = tokio::time::sleep_until(gathering_since + MAX_LINGER), if !was_empty && may_start => {}
            // The queue is closed and all requests are answered.
            else => return,
        }
    }
}

async fn send_batch<Q, A, F, Fut>(call: Arc<F>, batch: Vec<Pending<Q, A>>)
where
    F: Fn(Vec<Q>) -> Fut,
    Fut: Future<Output = Vec<A>>,
{
    let first = context_of_batch(&batch);
    let span = first.as_ref().and_then(|context| batch_span(context, &batch));
    let (mut requests, mut responders) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    for Pending { request, context, queued, responder } in batch {
        if let Some((mut queued, span)) = queued.zip(span.as_ref()) {
            queued.link(span.trace());
        }
        if let Some((first, context)) = first.as_ref().zip(context).filter(|(first, context)| *first != context) {
            tracing::debug!(service = context.service, request_id = %context.id, batch = %first.id, "the request is sent in a batch");
        }
        requests.push(request);
        responders.push(responder);
    }
    let trace = span.as_ref().map(|span| span.trace().clone());
    let context = first.map(|first| RequestContext { trace: trace.or(first.trace.clone()), ..first });
    let responses = RequestContext::scope(context, async { call(requests).await }).await;
    drop(span);
    for (responder, response) in responders.into_iter().zip(responses) {
        // Sending fails if the caller no longer waits.
        let _ = responder.send(response);
    }
}

/// The context of the first request with a recorded trace, or of the first request if no trace is recorded.
fn context_of_batch<Q, A>(batch: &[Pending<Q, A>]) -> Option<RequestContext> {
    let mut contexts = batch.iter().filter_map(|pending| pending.context.as_ref());
    let is_recorded = |context: &&RequestContext| context.trace.as_ref().is_some_and(Trace::is_recorded);
    contexts.clone().find(is_recorded).or_else(|| contexts.next()).cloned()
}

/// Begins the span of a batch in `context`, with a link to each request with a recorded trace.
fn batch_span<Q, A>(context: &RequestContext, batch: &[Pending<Q, A>]) -> Option<Span> {
    let mut span = start_span(context, "batch")?;
    span.set_count("buydesk.batch.size", batch.len());
    for queued in batch.iter().filter_map(|pending| pending.queued.as_ref()) {
        span.link(queued.trace());
    }
    Some(span)
}

/// The batches in flight and their sizes.
#[derive(Default)]
struct InFlight {
    tasks: JoinSet<()>,
    sizes: Vec<(Id, usize)>,
}

impl InFlight {
    fn batches(&self) -> usize {
        self.sizes.len()
    }

    fn requests(&self) -> usize {
        self.sizes.iter().map(|(_, size)| size).sum()
    }

    fn start(&mut self, size: usize, work: impl Future<Output = ()> + Send + 'static) {
        self.sizes.push((self.tasks.spawn(work.in_current_span()).id(), size));
    }

    /// Waits until a batch completes. If the task of the batch panicked, its responders were dropped, so its callers receive
    /// [`BatchError::NoResponse`].
    async fn join_next(&mut self) {
        if let Some(joined) = self.tasks.join_next_with_id().await {
            let id = joined.map_or_else(|panicked| panicked.id(), |(id, ())| id);
            self.sizes.retain(|(started, _)| *started != id);
        }
    }
}

#[cfg(test)]
mod tests;
