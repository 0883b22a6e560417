//! Tests of the writer and its retries, with a scripted store in memory and virtual time.

pub(super) mod scripted_store;
mod write_health;

use common::metrics::Metrics;
use futures_util::FutureExt;
use tokio::task::JoinHandle;

use self::scripted_store::{
    Failure::{DiskFull, Permanent, Transient},
    Outcome::{self, Committed, FoundCommitted, Refused},
    REFUSED, Script, ScriptedStore,
};
use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A running writer on a scripted store.
struct Fixture {
    store: ScriptedStore,
    writer: WriterHandle<ScriptedStore>,
    task: JoinHandle<()>,
    metrics: Metrics,
    health: WriteHealth,
}

fn new_writer(store: &ScriptedStore) -> (WriterHandle<ScriptedStore>, impl Future<Output = ()> + Send + use<>) {
    WriterHandle::new(store.clone(), WriterMetrics::register(&Metrics::new("test"), "order"), WriteHealth::default())
}

impl Fixture {
    fn new(script: impl IntoIterator<Item = Script>) -> Self {
        let (store, metrics, health) = (ScriptedStore::new(script), Metrics::new("test"), WriteHealth::default());
        let (writer, task) =
            WriterHandle::new(store.clone(), WriterMetrics::register(&metrics, "order"), health.clone());
        Self { store, writer, task: tokio::spawn(task), metrics, health }
    }

    async fn submit(&self, commands: impl IntoIterator<Item = u32>) -> Vec<WriteResult<Outcome>> {
        self.writer.submit(commands.into_iter().collect()).await
    }

    /// Submits from another task.
    fn spawn_submit(&self, commands: impl IntoIterator<Item = u32>) -> JoinHandle<Vec<WriteResult<Outcome>>> {
        let (writer, commands) = (self.writer.clone(), commands.into_iter().collect());
        tokio::spawn(async move { writer.submit(commands).await })
    }

    #[track_caller]
    fn assert_metric(&self, name: &str, value: &str) {
        let (text, line) = (self.metrics.encode(), format!("buydesk_order_{name}{{service=\"test\"}} {value}"));
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn committed_batch_answers_each_command() {
    let fixture = Fixture::new([]);
    assert_eq!(fixture.submit([1, 2]).await, [Ok(Committed(1)), Ok(Committed(2))]);
    assert_eq!(fixture.store.attempts(), [[1, 2]]);
    assert_eq!(fixture.store.state().committed, [1, 2]);
    fixture.assert_metric("group_size_sum", "2.0");
    fixture.assert_metric("group_size_count", "1");
    fixture.assert_metric("commit_failures_total", "0");
}

#[tokio::test(start_paused = true)]
async fn refused_command_does_not_affect_the_others() {
    let fixture = Fixture::new([]);
    let answers = fixture.submit([1, REFUSED, 2]).await;
    assert_eq!(answers, [Ok(Committed(1)), Ok(Refused(REFUSED)), Ok(Committed(2))]);
    assert_eq!(fixture.store.state().committed, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn batch_without_changes_is_rolled_back() {
    let fixture = Fixture::new([Script::FailRollBack(Transient)]);
    // No commit was sent, so a failed rollback is retried like a failure before the commit.
    assert_eq!(fixture.submit([REFUSED]).await, [Ok(Refused(REFUSED))]);
    assert_eq!(fixture.store.attempts().len(), 2);
    assert_eq!(fixture.store.state().rolled_back, 1);
}

#[tokio::test(start_paused = true)]
async fn retry_finds_the_commit_whose_answer_was_lost() {
    for failure in [Transient, Permanent] {
        let fixture = Fixture::new([Script::FailCommit { committed: true, failure }]);
        assert_eq!(fixture.submit([1, 2]).await, [Ok(FoundCommitted(1)), Ok(FoundCommitted(2))]);
        assert_eq!(fixture.store.attempts(), [[1, 2], [1, 2]]);
        assert_eq!(fixture.store.state().committed, [1, 2]);
        fixture.assert_metric("commit_failures_total", "1");
    }
}

#[tokio::test(start_paused = true)]
async fn batch_whose_commit_failed_without_an_answer_is_written_again() {
    for failure in [Transient, Permanent] {
        // The answer may be lost several times.
        let fixture = Fixture::new([Script::FailCommit { committed: false, failure }; 3]);
        assert_eq!(fixture.submit([1]).await, [Ok(Committed(1))]);
        assert_eq!(fixture.store.state().committed, [1]);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_outcome_is_retried_even_after_permanent_errors() {
    let lost = Script::FailCommit { committed: false, failure: Transient };
    let fixture = Fixture::new([lost, Script::FailLoad(Permanent), Script::FailWrite(Permanent)]);
    assert_eq!(fixture.submit([1]).await, [Ok(Committed(1))]);
    assert_eq!(fixture.store.attempts().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn every_caller_receives_indeterminate_after_ten_seconds() {
    for failure in [Transient, Permanent] {
        let lost = Script::FailCommit { committed: true, failure: Transient };
        let fixture = Fixture::new([lost].into_iter().chain([Script::FailLoad(failure); 100]));
        let start = Instant::now();
        let (first, second) = (fixture.spawn_submit([1, 2]), fixture.spawn_submit([3]));
        assert_eq!(first.await.unwrap(), [Err(WriteError::Indeterminate); 2]);
        assert_eq!(second.await.unwrap(), [Err(WriteError::Indeterminate)]);
        let waited = start.elapsed();
        assert!(waited >= SECOND * 10 && waited < SECOND * 11 + SECOND / 2, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn transient_error_before_the_commit_is_retried() {
    let fixture = Fixture::new([Script::FailLoad(Transient), Script::FailWrite(Transient)]);
    let start = Instant::now();
    assert_eq!(fixture.submit([1]).await, [Ok(Committed(1))]);
    assert!(start.elapsed() < SECOND / 2);
    assert_eq!(fixture.store.attempts(), [[1], [1], [1]]);
    fixture.assert_metric("commit_failures_total", "2");
}

#[tokio::test(start_paused = true)]
async fn pauses_between_retries_grow_up_to_a_second() {
    let fixture = Fixture::new([Script::FailLoad(Transient); 100]);
    fixture.submit([1]).await;
    let times: Vec<_> = fixture.store.state().attempts.iter().map(|(time, _)| *time).collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[0] >= MILLISECOND * 20 && pauses[0] <= MILLISECOND * 42, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= MILLISECOND * 1002), "{pauses:?}");
    assert!(pauses.len() >= 4, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn every_caller_receives_unavailable_after_two_seconds() {
    let fixture = Fixture::new([Script::FailLoad(Transient); 100]);
    let start = Instant::now();
    assert_eq!(fixture.submit([1, 2]).await, [Err(WriteError::Unavailable); 2]);
    let waited = start.elapsed();
    assert!(waited >= SECOND * 2 && waited < SECOND * 3 + SECOND / 2, "{waited:?}");
    assert!(fixture.store.state().committed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn commit_that_fails_because_of_a_full_disk_has_a_known_outcome() {
    let failure = Script::FailCommit { committed: false, failure: DiskFull };
    let fixture = Fixture::new([failure; 100]);
    let start = Instant::now();
    assert_eq!(fixture.submit([1]).await, [Err(WriteError::Unavailable)]);
    assert!(start.elapsed() < SECOND * 4, "{:?}", start.elapsed());
    // An earlier attempt whose outcome is unknown keeps the outcome unknown.
    let lost = Script::FailCommit { committed: true, failure: Transient };
    let fixture = Fixture::new([lost].into_iter().chain([Script::FailLoad(DiskFull); 100]));
    assert_eq!(fixture.submit([1]).await, [Err(WriteError::Indeterminate)]);
}

#[tokio::test(start_paused = true)]
async fn permanent_error_before_the_commit_is_not_retried() {
    for script in [Script::FailLoad(Permanent), Script::FailWrite(Permanent)] {
        let fixture = Fixture::new([script]);
        assert_eq!(fixture.submit([1, 2]).await, [Err(WriteError::Internal); 2]);
        assert_eq!(fixture.store.attempts().len(), 1);
        fixture.assert_metric("commit_failures_total", "1");
        // The next batch is not affected.
        assert_eq!(fixture.submit([3]).await, [Ok(Committed(3))]);
    }
}

#[test]
fn retries_end_exactly_at_the_maximum_wait() {
    let (transient, permanent) = (DatabaseError::TimedOut, DatabaseError::InvalidRow(String::new()));
    let just_before = |max_wait: Duration| max_wait.checked_sub(MILLISECOND).unwrap();
    assert_eq!(final_error(&transient, false, just_before(SECOND * 2)), None);
    assert_eq!(final_error(&transient, false, SECOND * 2), Some(WriteError::Unavailable));
    assert_eq!(final_error(&permanent, false, Duration::ZERO), Some(WriteError::Internal));
    for error in [transient, permanent] {
        assert_eq!(final_error(&error, true, just_before(SECOND * 10)), None);
        assert_eq!(final_error(&error, true, SECOND * 10), Some(WriteError::Indeterminate));
    }
}

#[tokio::test(start_paused = true)]
async fn attempt_that_hangs_is_aborted() {
    let start = Instant::now();
    // Before the commit: nothing was written, and the command has waited for more than 2 s, so there is no retry.
    let fixture = Fixture::new([Script::HangInLoad]);
    assert_eq!(fixture.submit([1]).await, [Err(WriteError::Unavailable)]);
    assert_eq!(start.elapsed(), SECOND * 6);
    // During the commit: another attempt finds out the outcome.
    let fixture = Fixture::new([Script::HangInCommit { committed: true }]);
    assert_eq!(fixture.submit([1]).await, [Ok(FoundCommitted(1))]);
    let fixture = Fixture::new([Script::HangInCommit { committed: false }]);
    assert_eq!(fixture.submit([1]).await, [Ok(Committed(1))]);
}

#[tokio::test(start_paused = true)]
async fn waiting_time_counts_from_the_submission() {
    // The second command waits 1.5 s for the first batch. Its first attempt ends 2 s after its submission, so no retry
    // follows.
    let slow = SECOND + SECOND / 2;
    let fixture = Fixture::new([Script::Slow(slow), Script::SlowFailure(SECOND / 2)]);
    let first = fixture.spawn_submit([1]);
    tokio::task::yield_now().await;
    assert_eq!(fixture.submit([2]).await, [Err(WriteError::Unavailable)]);
    assert_eq!(first.await.unwrap(), [Ok(Committed(1))]);
    assert_eq!(fixture.store.attempts(), [[1], [2]]);
    fixture.assert_metric("wait_seconds_sum", "3.5");
}

#[tokio::test(start_paused = true)]
async fn command_of_a_cancelled_caller_is_dropped() {
    let store = ScriptedStore::new([]);
    let (writer, task) = new_writer(&store);
    assert!(writer.submit(vec![1, 2]).now_or_never().is_none());
    let (third, fourth) = (writer.clone(), writer);
    let third = tokio::spawn(async move { third.submit(vec![3]).await });
    tokio::task::yield_now().await;
    assert!(fourth.submit(vec![4]).now_or_never().is_none());
    drop(fourth);
    task.await;
    assert_eq!(third.await.unwrap(), [Ok(Committed(3))]);
    assert_eq!(store.attempts(), [[3]]);
}

#[tokio::test(start_paused = true)]
async fn batch_of_cancelled_callers_is_not_attempted() {
    let store = ScriptedStore::new([]);
    let (writer, task) = new_writer(&store);
    assert!(writer.submit(vec![1, 2]).now_or_never().is_none());
    drop(writer);
    task.await;
    assert!(store.attempts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn caller_cancelled_between_attempts_is_dropped_from_the_batch() {
    let store = ScriptedStore::new([Script::SlowFailure(SECOND)]);
    let (writer, task) = new_writer(&store);
    let submit = |commands: Vec<u32>| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.submit(commands).await })
    };
    let (cancelled, remaining) = (submit(vec![1]), submit(vec![2, 3]));
    tokio::task::yield_now().await;
    let task = tokio::spawn(task);
    sleep(SECOND / 2).await;
    cancelled.abort();
    assert_eq!(remaining.await.unwrap(), [Ok(Committed(2)), Ok(Committed(3))]);
    assert_eq!(store.attempts(), [vec![1, 2, 3], vec![2, 3]]);
    drop(writer);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn full_queue_rejects_all_commands_of_a_submission() {
    let store = ScriptedStore::new([]);
    let (writer, task) = new_writer(&store);
    let mut first = Box::pin(writer.submit(vec![1; 8191]));
    assert!(first.as_mut().now_or_never().is_none());
    assert_eq!(writer.submit(vec![2, 3]).await, [Err(WriteError::QueueFull); 2]);
    let mut last = Box::pin(writer.submit(vec![4]));
    assert!(last.as_mut().now_or_never().is_none());
    assert_eq!(writer.submit(vec![5]).await, [Err(WriteError::QueueFull)]);
    let task = tokio::spawn(task);
    assert!(first.await.iter().all(Result::is_ok));
    assert_eq!(last.await, [Ok(Committed(4))]);
    let attempted = store.attempts().concat();
    assert_eq!((attempted.len(), attempted.iter().sum()), (8192, 8191 + 4));
    drop(writer);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn commands_that_wait_are_split_into_batches_in_their_order() {
    let store = ScriptedStore::new([]);
    let (writer, task) = new_writer(&store);
    let commands: Vec<u32> = (0..1500).map(|n| n * 2 + 1).collect();
    let submitted = {
        let commands = commands.clone();
        tokio::spawn(async move { writer.submit(commands).await })
    };
    tokio::task::yield_now().await;
    task.await;
    let answers = submitted.await.unwrap();
    assert!(answers.into_iter().eq(commands.iter().map(|command| Ok(Committed(*command)))));
    let sizes: Vec<_> = store.attempts().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1024, 476]);
    assert_eq!(store.state().committed, commands);
}

#[tokio::test(start_paused = true)]
async fn commands_gather_while_a_batch_commits() {
    let fixture = Fixture::new([Script::Slow(SECOND)]);
    fixture.assert_metric("waiting_commands", "0");
    let mut answers = vec![fixture.spawn_submit([1])];
    tokio::task::yield_now().await;
    sleep(MILLISECOND).await;
    for command in [2, 3, 4] {
        answers.push(fixture.spawn_submit([command]));
    }
    tokio::task::yield_now().await;
    fixture.assert_metric("waiting_commands", "4");
    for (answer, command) in answers.into_iter().zip(1..) {
        assert_eq!(answer.await.unwrap(), [Ok(Committed(command))]);
    }
    assert_eq!(fixture.store.attempts(), [vec![1], vec![2, 3, 4]]);
    fixture.assert_metric("waiting_commands", "0");
}

#[tokio::test(start_paused = true)]
async fn failed_batch_does_not_affect_the_next_batch() {
    let fixture = Fixture::new([Script::SlowFailure(SECOND * 2)]);
    let first = fixture.spawn_submit([1]);
    tokio::task::yield_now().await;
    sleep(MILLISECOND).await;
    assert_eq!(fixture.submit([2]).await, [Ok(Committed(2))]);
    assert_eq!(first.await.unwrap(), [Err(WriteError::Unavailable)]);
}

#[tokio::test(start_paused = true)]
async fn writer_answers_waiting_callers_before_it_ends() {
    let store = ScriptedStore::new([Script::Slow(SECOND), Script::FailCommit { committed: true, failure: Transient }]);
    let (writer, task) = new_writer(&store);
    let submit = |command| {
        let writer = writer.clone();
        tokio::spawn(async move { writer.submit(vec![command]).await })
    };
    let first = submit(1);
    let task = tokio::spawn(task);
    sleep(MILLISECOND).await;
    let second = submit(2);
    sleep(MILLISECOND).await;
    drop(writer);
    assert!(!task.is_finished());
    assert_eq!(first.await.unwrap(), [Ok(Committed(1))]);
    assert_eq!(second.await.unwrap(), [Ok(FoundCommitted(2))]);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopped_writer_refuses_new_commands() {
    let (writer, task) = new_writer(&ScriptedStore::new([]));
    drop(task);
    assert_eq!(writer.submit(vec![1, 2]).await, [Err(WriteError::ShuttingDown); 2]);
}

#[tokio::test(start_paused = true)]
async fn aborted_writer_leaves_the_outcome_unknown() {
    let fixture = Fixture::new([Script::HangInCommit { committed: true }]);
    let answer = fixture.spawn_submit([1]);
    sleep(SECOND).await;
    fixture.task.abort();
    assert_eq!(answer.await.unwrap(), [Err(WriteError::Indeterminate)]);
}

#[tokio::test(start_paused = true)]
async fn empty_submission_has_no_answers() {
    let fixture = Fixture::new([]);
    assert_eq!(fixture.submit([]).await, []);
    assert!(fixture.store.attempts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn idle_work_runs_while_no_command_arrives() {
    let fixture = Fixture::new([]);
    sleep(MILLISECOND * 399).await;
    assert_eq!(fixture.store.state().idle_runs, 0);
    sleep(MILLISECOND * 2).await;
    assert_eq!(fixture.store.state().idle_runs, 1);
    sleep(MILLISECOND * 800).await;
    assert_eq!(fixture.store.state().idle_runs, 3);
}

#[tokio::test(start_paused = true)]
async fn idle_work_that_hangs_is_aborted() {
    let fixture = Fixture::new([]);
    fixture.store.state().idle_work_hangs = true;
    sleep(SECOND).await;
    let start = Instant::now();
    assert_eq!(fixture.submit([1]).await, [Ok(Committed(1))]);
    let waited = start.elapsed();
    assert!(waited > SECOND * 5 && waited < SECOND * 6, "{waited:?}");
}

#[test]
fn all_or_error_is_indeterminate_if_a_command_may_be_written() {
    let (unavailable, unknown) = (Err(WriteError::Unavailable), Err(WriteError::Indeterminate));
    let committed = Ok(Committed(1));
    assert_eq!(all_or_error(vec![committed, Ok(Refused(2))]), Ok(vec![Committed(1), Refused(2)]));
    assert_eq!(all_or_error(vec![unavailable, unavailable]), Err(WriteError::Unavailable));
    assert_eq!(all_or_error(vec![unavailable, Err(WriteError::Internal)]), Err(WriteError::Unavailable));
    for part in [committed, unknown] {
        assert_eq!(all_or_error(vec![unavailable, part]), Err(WriteError::Indeterminate));
        assert_eq!(all_or_error(vec![part, unavailable]), Err(WriteError::Indeterminate));
    }
}
