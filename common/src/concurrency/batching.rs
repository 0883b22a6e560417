//! Many small questions asked as a few large ones.
//!
//! A question that comes alone is asked at once. While groups are under way, the next one gathers until it is as large as
//! they are together, for what most of a call costs is the same for any size: the more there is to ask, the larger the
//! groups. No question waits for target_size longer than [`MAX_LINGER`], so one call that hangs does not hold up the others.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinSet},
    time::Instant,
};

use crate::request_context::RequestContext;

/// The longest that a question waits for others to go with, where there is a place for its group.
const MAX_LINGER: Duration = Duration::from_millis(5);

/// How much a batcher holds. None of it may be zero.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Most questions that wait, beside the group that gathers.
    pub max_queued: usize,
    /// Most questions in a group.
    pub max_batch_size: usize,
    /// Most groups that are under way at once. Each is as large as those before it together, so a few are many; what bounds
    /// them matters only where calls hang.
    pub max_in_flight: usize,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not asked: too many wait already.
    #[error("too much waits already")]
    Full,
    /// Not asked: the service is going down.
    #[error("the service is going down")]
    Stopped,
    /// Pending, and nobody answered.
    #[error("the question was lost on the way")]
    NoResponse,
}

/// A question on its way.
struct Pending<Q, A> {
    question: Q,
    /// The request that asks.
    request: Option<RequestContext>,
    caller: oneshot::Sender<A>,
}

/// Hands questions over, and brings each its own answer.
pub struct Batcher<Q, A> {
    queue: mpsc::Sender<Pending<Q, A>>,
}

impl<Q, A> Clone for Batcher<Q, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// The handle, and the task to run until every handle is gone and all that waits is answered.
    ///
    /// `ask` is given a group and gives an answer for each question, in the same order. It runs as part of the request of the
    /// first; the others are tied to that one in the log.
    pub fn new<F, Fut>(limits: BatchLimits, ask: F) -> (Self, impl Future<Output = ()> + Send)
    where
        F: Fn(Vec<Q>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<A>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(limits.max_queued);
        (Self { queue }, run(limits, Arc::new(ask), waiting))
    }

    /// Asks, and waits for the answer.
    pub async fn submit(&self, question: Q) -> Result<A, BatchError> {
        let (caller, answer) = oneshot::channel();
        let asked = Pending { question, request: RequestContext::current(), caller };
        self.queue.try_send(asked).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => BatchError::Full,
            mpsc::error::TrySendError::Closed(_) => BatchError::Stopped,
        })?;
        answer.await.map_err(|_| BatchError::NoResponse)
    }
}

async fn run<Q, A, F, Fut>(limits: BatchLimits, ask: Arc<F>, mut queue: mpsc::Receiver<Pending<Q, A>>)
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<A>> + Send + 'static,
{
    let mut in_flight = InFlight::default();
    let mut gathered = Vec::new();
    // Since when the first of those gathered waits.
    let mut since = Instant::now();
    let mut closed = false;
    loop {
        let target_size = in_flight.questions().clamp(1, limits.max_batch_size);
        let due = gathered.len() >= target_size || closed || since.elapsed() >= MAX_LINGER;
        if !gathered.is_empty() && due && in_flight.groups() < limits.max_in_flight {
            let mut group = std::mem::take(&mut gathered);
            // Who has gone away while it waited wants nothing asked.
            group.retain(|asked: &Pending<Q, A>| !asked.caller.is_closed());
            if !group.is_empty() {
                in_flight.start(group.len(), answer(ask.clone(), group));
            }
        }
        let (none, room) = (gathered.is_empty(), limits.max_batch_size - gathered.len());
        tokio::select! {
            biased;
            () = in_flight.ended(), if in_flight.groups() > 0 => {}
            arrived = queue.recv_many(&mut gathered, room), if room > 0 && !closed => {
                closed = arrived == 0;
                if none {
                    since = Instant::now();
                }
            }
            () = tokio::time::sleep_until(since + MAX_LINGER), if !none && in_flight.groups() < limits.max_in_flight => {}
            // Nobody can ask any more, and everybody is answered.
            else => return,
        }
    }
}

async fn answer<Q, A, F, Fut>(ask: Arc<F>, group: Vec<Pending<Q, A>>)
where
    F: Fn(Vec<Q>) -> Fut,
    Fut: Future<Output = Vec<A>>,
{
    let first = group.iter().find_map(|asked| asked.request.clone());
    let (mut questions, mut callers) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
    for Pending { question, request, caller } in group {
        if let Some((first, request)) = first.as_ref().zip(request).filter(|(first, request)| *first != request) {
            tracing::debug!(service = request.service, request_id = %request.id, group = %first.id, "travels in a group");
        }
        questions.push(question);
        callers.push(caller);
    }
    let answers = RequestContext::scope(first, async { ask(questions).await }).await;
    for (caller, answer) in callers.into_iter().zip(answers) {
        // A caller that has gone away wants no answer.
        let _ = caller.send(answer);
    }
}

/// The groups that are being asked, and how large each is.
#[derive(Default)]
struct InFlight {
    tasks: JoinSet<()>,
    sizes: Vec<(Id, usize)>,
}

impl InFlight {
    fn groups(&self) -> usize {
        self.sizes.len()
    }

    fn questions(&self) -> usize {
        self.sizes.iter().map(|(_, size)| size).sum()
    }

    fn start(&mut self, size: usize, work: impl Future<Output = ()> + Send + 'static) {
        self.sizes.push((self.tasks.spawn(work).id(), size));
    }

    /// Waits for the end of one, be it that it panicked: then its callers know already.
    async fn ended(&mut self) {
        if let Some(ended) = self.tasks.join_next_with_id().await {
            let id = ended.map_or_else(|panicked| panicked.id(), |(id, ())| id);
            self.sizes.retain(|(started, _)| *started != id);
        }
    }
}

#[cfg(test)]
mod tests;
