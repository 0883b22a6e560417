use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use super::{retention_clock::QUIET_TIME, *};

/// Each run of the step `n` reports `remaining[n]` processed rows, and subtracts one from this number.
#[derive(Default)]
struct Countdown {
    remaining: Mutex<[u64; 2]>,
    /// The steps that ran.
    ran: Mutex<Vec<usize>>,
    fails: bool,
}

impl Retention for &'static Countdown {
    const AGGREGATE: &'static str = "countdown";
    type Step = usize;

    fn longest_retention(&self) -> Duration {
        Duration::ZERO
    }

    async fn database_time(&self) -> Result<Option<Timestamp>, DatabaseError> {
        Ok(None)
    }

    async fn steps(&self, _now: Timestamp) -> Result<Vec<usize>, DatabaseError> {
        Ok(vec![1, 0])
    }

    async fn run_step(&self, step: usize) -> Result<u64, DatabaseError> {
        self.ran.lock().unwrap().push(step);
        if self.fails {
            return Err(DatabaseError::TimedOut);
        }
        let remaining = &mut self.remaining.lock().unwrap()[step];
        let processed = *remaining;
        *remaining = remaining.saturating_sub(1);
        Ok(processed)
    }
}

fn leak(remaining: [u64; 2], fails: bool) -> &'static Countdown {
    Box::leak(Box::new(Countdown { remaining: Mutex::new(remaining), ran: Mutex::default(), fails }))
}

#[tokio::test(start_paused = true)]
async fn each_step_repeats_until_it_finds_no_more_rows() {
    let countdown = leak([1, 2], false);
    let start = tokio::time::Instant::now();
    run_once(&countdown, Timestamp::now()).await.unwrap();
    assert_eq!(*countdown.ran.lock().unwrap(), [1, 1, 1, 0, 0]);
    assert_eq!(start.elapsed(), STEP_PAUSE * 3);
}

#[tokio::test(start_paused = true)]
async fn failed_run_ends_and_the_next_run_retries() {
    let countdown = leak([0, 0], true);
    assert!(run_once(&countdown, Timestamp::now()).await.is_err());
    assert_eq!(*countdown.ran.lock().unwrap(), [1]);
    let stop = CancellationToken::new();
    let clock = Clock::starting_at(Timestamp::now());
    let task = tokio::spawn(stop.clone().run_until_cancelled_owned(run_periodically(countdown, clock)));
    tokio::time::sleep(QUIET_TIME + STEP_PAUSE).await;
    assert_eq!(*countdown.ran.lock().unwrap(), [1, 1], "the run at the end of the quiet time");
    tokio::time::sleep(RUN_INTERVAL).await;
    assert_eq!(*countdown.ran.lock().unwrap(), [1, 1, 1]);
    // Nothing is deleted after the clock was set.
    clock.set(clock.now().plus(Duration::from_hours(24)));
    tokio::time::sleep(QUIET_TIME).await;
    assert_eq!(*countdown.ran.lock().unwrap(), [1, 1, 1]);
    stop.cancel();
    assert_eq!(task.await.unwrap(), None);
}
