//! The one writer: orders that wait are decided together and committed in one transaction, and each caller is answered
//! only after that commit.
//!
//! Nothing is delayed to make a group larger: the writer takes what waits. While one group is being committed the next one
//! gathers, so groups grow with the load by themselves.

use std::time::{Duration, Instant};

use common::{concurrency::backoff::Backoff, money::Sats, time::Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    ledger::{Command, Decision},
    metrics::WriterMetrics,
    store::{Attempt, Store, StoreError},
};

/// Most orders that may wait. At ten thousand orders a second the last of them waits for less than a second.
pub const QUEUE_CAPACITY: usize = 8192;
/// Most orders in one transaction.
pub const MAX_BATCH: usize = 1024;
/// How long an order may wait for a database that is away, when it is certain that it was not placed.
pub const MAX_UNAVAILABLE: Duration = Duration::from_secs(2);
/// How long an order is held whose outcome is not known, while the database is asked for it.
pub const MAX_INDETERMINATE: Duration = Duration::from_secs(10);
/// Longest time that one try to commit a group may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);
/// How soon after it ran out a quote gives back what it held, while no order comes.
const IDLE_INTERVAL: Duration = Duration::from_millis(400);
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

/// Why an order was neither placed nor refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("too many orders wait already")]
    QueueFull,
    #[error("the database is away; the order was not placed")]
    DatabaseUnavailable,
    #[error("the database went away while the order was being committed; whether it was placed is not known")]
    Indeterminate,
    #[error("the order could not be stored")]
    Fault,
    #[error("the writer has stopped")]
    Stopped,
}

type Answer = Result<Decision, WriteError>;

/// What becomes of work that is answered as one. The writer may have cut it into several groups, so that some of it is
/// committed and some not: an error that says of all of it that it was not placed would be wrong.
pub fn all_or_error(answers: Vec<Answer>) -> Result<Vec<Decision>, WriteError> {
    let certain = |answer: &Answer| matches!(answer, Err(error) if *error != WriteError::Indeterminate);
    let none_is_placed = answers.iter().all(certain);
    let decisions: Result<_, _> = answers.into_iter().collect();
    decisions.map_err(|error| if none_is_placed { error } else { WriteError::Indeterminate })
}

struct Submission {
    work: Command,
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

/// Keeps the work, and the callers beside it, that somebody still waits for.
fn drop_cancelled(work: &mut Vec<Command>, callers: &mut Vec<Caller>) {
    if callers.iter().any(|caller| caller.answer.is_closed()) {
        let both = work.drain(..).zip(callers.drain(..));
        (*work, *callers) = both.filter(|(_, caller)| !caller.answer.is_closed()).unzip();
    }
}

/// Who waits for what becomes of a piece of work.
struct Caller {
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

/// Hands orders to the writer.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Submission>,
}

impl Writer {
    /// The handle, and the task to run until every handle is gone and all that waits is answered.
    pub fn new(
        store: Store,
        limit: watch::Receiver<Sats>,
        metrics: WriterMetrics,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, waiting) = mpsc::channel(QUEUE_CAPACITY);
        (Self { queue }, Task { store, limit, metrics }.run(waiting))
    }

    /// Puts `work` into the queue, next to each other, and waits for what becomes of each piece. Where the queue has no room
    /// for all of them, none is taken.
    pub async fn commit_batch(&self, work: Vec<Command>) -> Vec<Answer> {
        let count = work.len();
        let Ok(places) = self.queue.try_reserve_many(count) else {
            let error = if self.queue.is_closed() { WriteError::Stopped } else { WriteError::QueueFull };
            return vec![Err(error); count];
        };
        let since = Instant::now();
        let mut answers = Vec::with_capacity(count);
        for (place, work) in places.zip(work) {
            let (answer, receiver) = oneshot::channel();
            place.send(Submission { work, since, answer });
            answers.push(receiver);
        }
        let mut results = Vec::with_capacity(count);
        for answer in answers {
            // The writer ends when nothing waits any more, or because it broke down in the middle of something.
            results.push(answer.await.unwrap_or(Err(WriteError::Indeterminate)));
        }
        results
    }
}

struct Task {
    store: Store,
    limit: watch::Receiver<Sats>,
    metrics: WriterMetrics,
}

impl Task {
    async fn run(self, mut queue: mpsc::Receiver<Submission>) {
        let mut group = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                taken = queue.recv_many(&mut group, MAX_BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    self.answer(&mut group).await;
                }
                () = tokio::time::sleep(IDLE_INTERVAL) => self.sweep().await,
            }
        }
    }

    async fn answer(&self, group: &mut Vec<Submission>) {
        let (mut work, mut callers) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        for Submission { work: piece, since, answer } in group.drain(..) {
            work.push(piece);
            callers.push(Caller { since, answer });
        }
        let oldest = callers.iter().map(|caller| caller.since).min().unwrap_or_else(Instant::now);
        let answers = self.commit(work, &mut callers, oldest).await;
        self.metrics.group(callers.len(), oldest.elapsed());
        for (caller, answer) in callers.into_iter().zip(answers) {
            // A caller that goes away at the last moment does not take its order with it.
            let _ = caller.answer.send(answer);
        }
    }

    /// While nothing waits, quotes that ran out still give back what they held.
    async fn sweep(&self) {
        let work = async {
            // A database that is away is told of by whoever needs it.
            if self.store.totals().await.is_ok_and(|totals| totals.reserved > Sats::ZERO) {
                let (limit, attempt) = (*self.limit.borrow(), &mut Attempt::default());
                self.store.commit_batch(&mut [], limit, &Timestamp::now, attempt).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = tokio::time::timeout(ATTEMPT_TIMEOUT, work).await.unwrap_or(Err(StoreError::TimedOut)) {
            tracing::warn!(error = %error.chain(), "quotes that ran out could not be released");
        }
    }

    /// Commits a group, again and again until its outcome is known or nobody would wait longer.
    ///
    /// To try again is to find out: each order has its key and each quote its id, so what an earlier try did commit is found
    /// under it, and an earlier try that is still under way in the database holds the lock that this one waits for.
    ///
    /// Work whose caller has gone away is left out of each try: nobody waits for it. Whoever was cut off asks again under the
    /// key, maybe another db-proxy. Where that refuses, what still lies here is refused too, whenever it is known here that
    /// its caller has gone: see [`RecordedRefusal`](crate::ledger::RecordedRefusal).
    async fn commit(&self, mut work: Vec<Command>, callers: &mut Vec<Caller>, since: Instant) -> Vec<Answer> {
        let mut indeterminate = false;
        let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
        loop {
            drop_cancelled(&mut work, callers);
            let size = work.len();
            if size == 0 {
                return Vec::new();
            }
            let limit = *self.limit.borrow();
            let mut attempt = Attempt::default();
            let settled = self.store.commit_batch(&mut work, limit, &Timestamp::now, &mut attempt);
            let result = tokio::time::timeout(ATTEMPT_TIMEOUT, settled).await.unwrap_or(Err(StoreError::TimedOut));
            let error = match result {
                Ok(decisions) => return decisions.into_iter().map(Ok).collect(),
                Err(error) => error,
            };
            indeterminate |= attempt.commit_sent;
            let final_error = match (&error, indeterminate) {
                (_, true) => (since.elapsed() >= MAX_INDETERMINATE).then_some(WriteError::Indeterminate),
                (StoreError::Unavailable(_) | StoreError::TimedOut, false) => {
                    (since.elapsed() >= MAX_UNAVAILABLE).then_some(WriteError::DatabaseUnavailable)
                }
                (StoreError::Fault(_) | StoreError::Corrupt(_) | StoreError::Migration(_), false) => {
                    Some(WriteError::Fault)
                }
            };
            self.metrics.failed();
            if let Some(answer) = final_error {
                tracing::error!(error = %error.chain(), indeterminate, size, "a group could not be committed");
                return vec![Err(answer); size];
            }
            tracing::warn!(error = %error.chain(), indeterminate, size, "a commit failed and is tried again");
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }
}

#[cfg(test)]
mod tests;
