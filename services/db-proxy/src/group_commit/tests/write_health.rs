//! Tests of the health that the writer reports, and of its log.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    scripted_store::{CLOCK_FAULT, Failure, ProbeScript},
    *,
};

impl Fixture {
    fn with_probes(script: impl IntoIterator<Item = ProbeScript>) -> Self {
        let fixture = Self::new([]);
        fixture.store.state().probe_script.extend(script);
        fixture
    }

    fn probes(&self) -> usize {
        self.store.state().probes.len()
    }
}

/// Lets the writer run until it waits.
async fn let_writer_run() {
    sleep(MILLISECOND).await;
}

#[tokio::test(start_paused = true)]
async fn writer_is_not_ready_before_its_first_probe() {
    let fixture = Fixture::new([]);
    assert_eq!(fixture.health.check(), Err(NotWritable::NotProbed));
    let_writer_run().await;
    assert_eq!(fixture.health.check(), Ok(()));
    assert_eq!(fixture.probes(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_writer_probes_every_five_seconds() {
    let fixture = Fixture::new([]);
    sleep(SECOND * 61).await;
    let probes = fixture.store.state().probes.clone();
    assert!((11..=13).contains(&probes.len()), "{probes:?}");
    assert!(probes.windows(2).all(|pair| pair[1] - pair[0] < SECOND * 6), "{probes:?}");
}

#[tokio::test(start_paused = true)]
async fn commits_replace_probes() {
    let fixture = Fixture::new([]);
    for command in 1..200 {
        fixture.submit([command]).await;
        sleep(SECOND / 10).await;
    }
    assert_eq!(fixture.probes(), 1);
}

/// A batch without changes does not prove that the database accepts writes.
#[tokio::test(start_paused = true)]
async fn batches_without_changes_do_not_replace_probes() {
    let fixture = Fixture::new([]);
    for _ in 0..200 {
        fixture.submit([REFUSED]).await;
        sleep(SECOND / 10).await;
    }
    assert!(fixture.probes() >= 4, "{}", fixture.probes());
}

#[tokio::test(start_paused = true)]
async fn failed_write_is_reported_until_a_write_succeeds() {
    for failure in [Transient, Permanent] {
        let fixture = Fixture::new([Script::FailWrite(failure)]);
        fixture.store.state().probe_script.extend([ProbeScript::Fail(failure); 3]);
        let_writer_run().await;
        let submitted = fixture.spawn_submit([1]);
        let_writer_run().await;
        assert!(matches!(fixture.health.check(), Err(NotWritable::Failed(_))), "{:?}", fixture.health.check());
        submitted.await.unwrap();
        // After a failed write, a probe runs within a second, and its success is reported.
        fixture.store.state().probe_script.clear();
        sleep(SECOND).await;
        assert_eq!(fixture.health.check(), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn failed_probe_is_reported_and_repeated() {
    let fixture = Fixture::with_probes([ProbeScript::Fail(Transient); 4]);
    let_writer_run().await;
    assert_eq!(fixture.health.check(), Err(NotWritable::Failed(Transient.error().chain())));
    sleep(SECOND * 3).await;
    assert_eq!(fixture.health.check(), Ok(()));
    assert_eq!(fixture.probes(), 5);
}

#[tokio::test(start_paused = true)]
async fn refused_commands_do_not_hide_a_failed_write() {
    let fixture = Fixture::with_probes([ProbeScript::Fail(Transient); 100]);
    let_writer_run().await;
    fixture.submit([REFUSED]).await;
    assert!(fixture.health.check().is_err());
}

#[tokio::test(start_paused = true)]
async fn blocked_probe_is_reported_and_aborted() {
    let fixture = Fixture::with_probes([ProbeScript::Hang]);
    sleep(SECOND * 2 + MILLISECOND).await;
    assert_eq!(fixture.health.check(), Err(NotWritable::Failed(DatabaseError::TimedOut.chain())));
    // Commands wait for a blocked probe for two seconds at most.
    assert_eq!(fixture.submit([1]).await, [Ok(Committed(1))]);
    assert_eq!(fixture.health.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn blocked_commit_is_reported_after_two_seconds() {
    let fixture = Fixture::new([Script::HangInCommit { committed: false }]);
    let submitted = fixture.spawn_submit([1]);
    let_writer_run().await;
    assert_eq!(fixture.health.check(), Ok(()));
    sleep(SECOND * 2).await;
    assert!(matches!(fixture.health.check(), Err(NotWritable::Blocked(_))), "{:?}", fixture.health.check());
    assert_eq!(submitted.await.unwrap(), [Ok(Committed(1))]);
    assert_eq!(fixture.health.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn stopped_writer_is_reported() {
    let fixture = Fixture::new([]);
    let_writer_run().await;
    fixture.task.abort();
    sleep(SECOND * 21).await;
    assert!(matches!(fixture.health.check(), Err(NotWritable::Stopped(_))), "{:?}", fixture.health.check());
}

#[tokio::test(start_paused = true)]
async fn wrong_clock_fails_a_batch_without_a_retry_and_is_not_a_database_failure() {
    let fixture = Fixture::new([Script::FailLoad(Failure::Clock)]);
    let_writer_run().await;
    let start = Instant::now();
    assert_eq!(fixture.submit([1, 2]).await, [Err(WriteError::Clock(CLOCK_FAULT)); 2]);
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(fixture.health.check(), Ok(()));
    assert_eq!(fixture.submit([1]).await, [Ok(Outcome::Committed(1))]);
}

#[tokio::test(start_paused = true)]
async fn wrong_clock_after_an_unknown_outcome_is_retried() {
    let lost_answer = Script::FailCommit { committed: true, failure: Failure::Transient };
    let fixture = Fixture::new([lost_answer, Script::FailLoad(Failure::Clock)]);
    assert_eq!(fixture.submit([1]).await, [Ok(Outcome::FoundCommitted(1))]);
}

/// The log of this thread, on which the writer runs too.
#[derive(Clone, Default)]
struct ThreadLog(Arc<Mutex<Vec<u8>>>);

impl ThreadLog {
    /// Collects the log until the guard is dropped.
    fn collect() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().without_time().with_target(false).with_ansi(false);
        let guard = tracing::subscriber::set_default(subscriber.with_writer(log.clone()).finish());
        (log, guard)
    }

    /// Returns the lines that were logged since the last call.
    fn take_lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl io::Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for ThreadLog {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn first_failed_probe_and_the_recovery_are_logged_once() {
    let (log, _guard) = ThreadLog::collect();
    let fixture = Fixture::with_probes([ProbeScript::Fail(Permanent); 3]);
    let_writer_run().await;
    let failure = format!("ERROR the database does not accept writes error={}", Permanent.error().chain());
    assert_eq!(log.take_lines(), [failure]);
    sleep(SECOND * 60).await;
    assert_eq!(log.take_lines(), ["INFO the database accepts writes again"]);
    assert!(fixture.probes() > 10);
}

/// The error of an unreachable database is logged where the connection fails.
#[tokio::test(start_paused = true)]
async fn failed_probe_of_an_unreachable_database_is_not_logged_again() {
    let (log, _guard) = ThreadLog::collect();
    let _fixture = Fixture::with_probes([ProbeScript::Fail(Failure::Unreachable); 3]);
    let_writer_run().await;
    assert_eq!(log.take_lines(), [""; 0]);
    sleep(SECOND * 60).await;
    assert_eq!(log.take_lines(), ["INFO the database accepts writes again"]);
}
