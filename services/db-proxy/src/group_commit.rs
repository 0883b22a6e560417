//! Group commit: the waiting commands are decided together and committed in one transaction. A caller receives the
//! decision about its command only after the transaction has ended.
//!
//! The writer never delays a command to make a batch larger. While one batch commits, new commands wait and form the
//! next batch. Batches therefore grow with the load.
//!
//! [`WriteHealth`] states whether the writer can commit at all. It contains the result of the last commit or probe. A
//! probe is a test write, which the writer commits when the last result is some seconds old.
//!
//! Each aggregate, such as orders, supplies a [`BatchStore`]. For each batch, the store opens a [`UnitOfWork`], which
//! reads, applies the policy of the aggregate, and writes.

mod batch;
mod health;
mod metrics;
mod spans;
mod unit_of_work;

use std::time::Duration;

use common::concurrency::backoff::Backoff;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

use self::{
    batch::{Batch, Submission},
    spans::{GroupSpans, end_transaction},
};
pub use self::{
    health::{NotWritable, WriteHealth},
    metrics::WriterMetrics,
    spans::CommandTraces,
    unit_of_work::{Attempt, Decided, UnitOfWork, commit_batch},
};
use crate::{clock_check::ClockFault, database::DatabaseError};

/// Maximum number of waiting commands. At ten thousand commands per second, the last command waits for less than a
/// second.
pub const QUEUE_CAPACITY: usize = 8192;
/// Maximum number of commands in one transaction.
pub const MAX_BATCH: usize = 1024;
/// If no attempt has sent a commit, a batch is retried at most until its oldest command has waited for this time. The
/// last attempt may last for `ATTEMPT_TIMEOUT` in addition.
pub const MAX_UNAVAILABLE: Duration = Duration::from_secs(2);
/// If an attempt has sent a commit, a batch is retried until its oldest command has waited for this time. The last
/// attempt may last for `ATTEMPT_TIMEOUT` in addition.
pub const MAX_INDETERMINATE: Duration = Duration::from_secs(10);
/// Time limit of one attempt to commit a batch, and of one run of the idle work.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(6);
/// Time limit of a probe. Commands wait for it, so it is short.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often [`BatchStore::run_idle_work`] runs while no command arrives.
const IDLE_INTERVAL: Duration = Duration::from_millis(400);
/// The base of the first delay before a batch is retried. The delay is at most twice its base; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
/// The maximum base of a delay before a batch is retried; see [`Backoff`].
const MAX_BACKOFF: Duration = Duration::from_millis(500);

/// The functions that an aggregate supplies to the writer.
pub trait BatchStore: Send + Sync + 'static {
    type Command: Send + 'static;
    type Decision: Send + 'static;

    /// Decides a batch and commits it in one transaction. Returns one decision for each command, in the same order.
    ///
    /// After a failure, the writer calls this again for the same commands. If an earlier attempt has committed, the
    /// store recognizes the stored commands by idempotency key or id, and returns their stored results. If an earlier
    /// attempt is still running in the database, the new attempt waits for the lock of the earlier attempt.
    ///
    /// Sets [`Attempt::commit_sent`] before it sends the commit. An attempt that fails earlier writes nothing.
    fn commit_batch(
        &self,
        commands: &mut [Self::Command],
        attempt: &mut Attempt,
    ) -> impl Future<Output = Result<Vec<Self::Decision>, DatabaseError>> + Send;

    /// Does work that is usually part of a batch, but must not wait for the next command. The writer calls this
    /// regularly while no command arrives.
    fn run_idle_work(&self) -> impl Future<Output = Result<(), DatabaseError>> + Send;

    /// Commits a write that changes no data of the aggregate, on the connection that commits batches.
    fn probe_write(&self) -> impl Future<Output = Result<(), DatabaseError>> + Send;
}

/// Why a command received no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The queue has no room. Nothing was written.
    #[error("the queue is full")]
    QueueFull,
    /// An attempt failed, and the oldest command of the batch had waited for at least [`MAX_UNAVAILABLE`]. Nothing was
    /// written.
    #[error("the database is unavailable; nothing was written")]
    Unavailable,
    /// A commit failed, and no later attempt found its outcome until the oldest command of the batch had waited for
    /// [`MAX_INDETERMINATE`]. Also returned if the writer's task panicked or was aborted.
    #[error("the database became unavailable during the commit; the outcome is unknown")]
    Indeterminate,
    /// The clock is wrong or not checked yet. Nothing was written.
    #[error("nothing is written because of the clock: {0}")]
    Clock(ClockFault),
    /// An error that a retry would probably not remove, such as a defect of this program. Nothing was written.
    #[error("the batch could not be written")]
    Internal,
    /// The writer has stopped. Nothing was written.
    #[error("the writer has stopped")]
    ShuttingDown,
}

pub type WriteResult<D> = Result<D, WriteError>;

/// The decisions of commands that are answered together, or one error for all of them.
///
/// The writer may have split the commands into several batches, and only some of the batches may have committed. If
/// some commands failed and others were written, or if any outcome is unknown, the error is
/// [`WriteError::Indeterminate`]. Every other error means that none of the commands was written.
pub fn all_or_error<D>(answers: Vec<WriteResult<D>>) -> Result<Vec<D>, WriteError> {
    let is_not_written = |answer: &WriteResult<D>| matches!(answer, Err(error) if *error != WriteError::Indeterminate);
    let none_is_written = answers.iter().all(is_not_written);
    let decisions: Result<_, _> = answers.into_iter().collect();
    decisions.map_err(|error| if none_is_written { error } else { WriteError::Indeterminate })
}

/// A handle that submits commands to the writer's task. Clones share its queue.
pub struct WriterHandle<S: BatchStore> {
    queue: mpsc::Sender<Submission<S>>,
    metrics: WriterMetrics,
}

impl<S: BatchStore> Clone for WriterHandle<S> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), metrics: self.metrics.clone() }
    }
}

impl<S: BatchStore> WriterHandle<S> {
    /// Returns the handle and the writer's task. The task ends when every handle is dropped and every waiting command
    /// is answered.
    pub fn new(store: S, metrics: WriterMetrics, health: WriteHealth) -> (Self, impl Future<Output = ()> + Send) {
        health.set_waiting(metrics.waiting());
        let (queue, submissions) = mpsc::channel(QUEUE_CAPACITY);
        (Self { queue, metrics: metrics.clone() }, WriterTask { store, metrics, health }.run(submissions))
    }

    /// Enqueues `commands` next to each other, and waits for the answer to each. If the queue has no room for all of
    /// them, none is enqueued.
    pub async fn submit(&self, commands: Vec<S::Command>) -> Vec<WriteResult<S::Decision>> {
        self.submit_traced(commands, CommandTraces::of_request()).await
    }

    /// Like [`WriterHandle::submit`]. `traces` determines the trace and the parent of the span of each command.
    pub async fn submit_traced(
        &self,
        commands: Vec<S::Command>,
        traces: CommandTraces,
    ) -> Vec<WriteResult<S::Decision>> {
        let count = commands.len();
        let Ok(permits) = self.queue.try_reserve_many(count) else {
            let error = if self.queue.is_closed() { WriteError::ShuttingDown } else { WriteError::QueueFull };
            return std::iter::repeat_with(|| Err(error)).take(count).collect();
        };
        self.metrics.record_submitted(count);
        let submitted_at = Instant::now();
        let mut receivers = Vec::with_capacity(count);
        for (index, (permit, command)) in permits.zip(commands).enumerate() {
            let (answer, receiver) = oneshot::channel();
            permit.send(Submission { command, submitted_at, answer, span: traces.start_command(index) });
            receivers.push(receiver);
        }
        let mut answers = Vec::with_capacity(count);
        for receiver in receivers {
            // The channel closes without an answer only if the writer's task panicked or was aborted, possibly during a
            // commit.
            answers.push(receiver.await.unwrap_or(Err(WriteError::Indeterminate)));
        }
        answers
    }
}

/// The writer's task: commits one batch after the other.
struct WriterTask<S> {
    store: S,
    metrics: WriterMetrics,
    health: WriteHealth,
}

impl<S: BatchStore> WriterTask<S> {
    async fn run(self, mut queue: mpsc::Receiver<Submission<S>>) {
        let mut submissions = Vec::with_capacity(MAX_BATCH);
        loop {
            if self.health.is_probe_due() {
                self.probe_write().await;
            }
            tokio::select! {
                received = queue.recv_many(&mut submissions, MAX_BATCH) => {
                    if received == 0 {
                        return;
                    }
                    self.process_batch(Batch::from_submissions(&mut submissions)).await;
                }
                () = sleep(IDLE_INTERVAL) => self.run_idle_work().await,
            }
        }
    }

    async fn process_batch(&self, mut batch: Batch<S>) {
        let submitted = batch.len();
        let spans = GroupSpans::start(self.metrics.aggregate(), submitted, std::mem::take(&mut batch.spans));
        let answers = self.commit_until_known(&mut batch, spans.as_ref()).await;
        if let Some(spans) = spans {
            spans.end(answers.iter().find_map(|answer| answer.as_ref().err().copied()));
        }
        self.metrics.record_batch(batch.len(), batch.oldest.elapsed());
        self.metrics.record_done(submitted);
        batch.answer_callers(answers);
    }

    async fn run_idle_work(&self) {
        let result = timeout(ATTEMPT_TIMEOUT, self.store.run_idle_work()).await;
        if let Err(error) = result.unwrap_or(Err(DatabaseError::TimedOut)) {
            tracing::warn!(error = %error.chain(), "the idle work of the writer failed");
        }
        // After a failed write, a probe runs at each idle interval. While commands arrive, their batches show whether
        // writes succeed again.
        if self.health.has_failed() {
            self.probe_write().await;
        }
    }

    /// Finds out whether the database accepts writes.
    async fn probe_write(&self) {
        let was_failing = self.health.has_failed();
        self.health.begin_attempt();
        let result = timeout(PROBE_TIMEOUT, self.store.probe_write()).await.unwrap_or(Err(DatabaseError::TimedOut));
        self.health.end_attempt(&result, true);
        match result {
            Ok(()) if was_failing => tracing::info!("the database accepts writes again"),
            Err(error) if !was_failing && !error.is_logged_at_its_cause() => {
                tracing::error!(error = %error.chain(), "the database does not accept writes");
            }
            _ => {}
        }
    }

    /// Attempts to commit the batch until an attempt succeeds or [`final_error`] returns an error.
    ///
    /// Before each attempt, commands of callers that no longer wait are dropped.
    async fn commit_until_known(
        &self,
        batch: &mut Batch<S>,
        spans: Option<&GroupSpans>,
    ) -> Vec<WriteResult<S::Decision>> {
        let mut indeterminate = false;
        let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_BACKOFF);
        for attempt_number in 1.. {
            batch.drop_cancelled();
            let size = batch.len();
            if size == 0 {
                return Vec::new();
            }
            let mut attempt = Attempt::default();
            let transaction = spans.and_then(|spans| spans.start_transaction(attempt_number));
            self.health.begin_attempt();
            let result = timeout(ATTEMPT_TIMEOUT, self.store.commit_batch(&mut batch.commands, &mut attempt)).await;
            let result = result.unwrap_or(Err(DatabaseError::TimedOut));
            self.health.end_attempt(&result, attempt.commit_sent);
            end_transaction(transaction, &attempt, result.as_ref().map(|_| ()));
            let error = match result {
                Ok(decisions) => return decisions.into_iter().map(Ok).collect(),
                Err(error) => error,
            };
            self.metrics.record_failure();
            // After a commit was sent, the failure of a later attempt does not prove that nothing was written.
            indeterminate |= attempt.commit_sent && !error.proves_rollback();
            if let Some(answer) = final_error(&error, indeterminate, batch.oldest.elapsed()) {
                if error.is_logged_at_its_cause() {
                    tracing::debug!(error = %error.chain(), indeterminate, size, "the attempts to commit a batch failed");
                } else {
                    tracing::error!(error = %error.chain(), indeterminate, size, "the attempts to commit a batch failed");
                }
                return std::iter::repeat_with(|| Err(answer)).take(size).collect();
            }
            if error.is_logged_at_its_cause() {
                tracing::debug!(error = %error.chain(), indeterminate, size, "an attempt to commit failed and is retried");
            } else {
                tracing::warn!(error = %error.chain(), indeterminate, size, "an attempt to commit failed and is retried");
            }
            sleep(backoff.next_delay()).await;
        }
        unreachable!("the loop ends only by a return")
    }
}

/// The error for a batch after a failed attempt. `None` if the batch is retried.
///
/// `indeterminate` states whether an attempt has sent a commit. `waited` is the time since the oldest command was
/// submitted.
fn final_error(error: &DatabaseError, indeterminate: bool, waited: Duration) -> Option<WriteError> {
    if indeterminate {
        // Even a permanent error is retried, because the next attempt may find out that an earlier attempt committed.
        (waited >= MAX_INDETERMINATE).then_some(WriteError::Indeterminate)
    } else if let DatabaseError::Clock(fault) = error {
        // A retry seldom helps, because a clock usually stays wrong for longer than retries last.
        Some(WriteError::Clock(*fault))
    } else if error.is_transient() {
        (waited >= MAX_UNAVAILABLE).then_some(WriteError::Unavailable)
    } else {
        Some(WriteError::Internal)
    }
}

#[cfg(test)]
mod tests;
