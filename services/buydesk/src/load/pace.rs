//! Sends the requests of a load.
//!
//! In the closed model, each connection sends its next request after the response to its previous request. During a
//! stall of the platform, a connection sends nothing, and only one of its requests is slow. In the open model, requests
//! are sent at scheduled times, and the latency counts from the scheduled time. A stall therefore increases the latency
//! of each request that was due during the stall.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tokio::{
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    measures::Schedule,
    recording::{Recorder, Sample},
    workload::Workload,
};

/// A request is late if it is sent more than this time after it was due.
const LATE: Duration = Duration::from_millis(10);

/// When a load starts and ends.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    pub start: Instant,
    pub end: Instant,
}

/// The requests of a load, and the recorder of their results.
#[derive(Debug)]
pub struct Run<W> {
    pub workload: Arc<W>,
    pub recorder: Arc<Recorder>,
    pub period: Period,
    /// Ends the load early.
    pub stop: CancellationToken,
}

impl<W> Clone for Run<W> {
    fn clone(&self) -> Self {
        let Self { workload, recorder, period, stop } = self;
        Self { workload: workload.clone(), recorder: recorder.clone(), period: *period, stop: stop.clone() }
    }
}

impl<W: Workload> Run<W> {
    /// Sends a request and records its response. The latency counts from `began`.
    async fn send(&self, number: u64, began: Instant) {
        self.recorder.count_sent();
        let result = self.workload.send(number).await;
        let operation = self.workload.operation_of(number);
        self.recorder.record(Sample { operation, began, ended: Instant::now(), result });
    }

    /// Sends requests until the period ends or the load is stopped, and waits for all responses.
    pub async fn send_closed(self, connections: u32) {
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (run, next) = (self.clone(), next.clone());
            tasks.spawn(async move {
                sleep_until(run.period.start).await;
                while Instant::now() < run.period.end && !run.stop.is_cancelled() {
                    run.send(next.fetch_add(1, Ordering::Relaxed), Instant::now()).await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Sends each request when it is due, and waits for all responses. Ends early if the load is stopped. Requests that
    /// wait for a free slot at the end of the period are not sent. On a machine that is too slow, requests are possibly
    /// sent after the end of the period.
    pub async fn send_open(self, rate_per_second: u32, max_in_flight: u32, timer: &Timer) -> Schedule {
        let permits = Arc::new(Semaphore::new(usize::try_from(max_in_flight).unwrap_or(Semaphore::MAX_PERMITS)));
        let Period { start, end } = self.period;
        let tasks = TaskTracker::new();
        let mut schedule = Schedule { planned: due_before(end - start, rate_per_second), ..Schedule::default() };
        for number in 0..schedule.planned {
            if self.stop.is_cancelled() {
                break;
            }
            let due = start + due_after(number, rate_per_second);
            let has_to_wait = Instant::now() < due || permits.available_permits() == 0;
            let permit = if has_to_wait {
                let permit = async {
                    timer.wait_until(due).await;
                    schedule.waited_for_slot += u64::from(permits.available_permits() == 0);
                    permits.clone().acquire_owned().await.ok()
                };
                tokio::select! {
                    biased;
                    () = self.stop.cancelled() => None,
                    permit = permit => permit,
                    () = sleep_until(end) => None,
                }
            } else {
                permits.clone().try_acquire_owned().ok()
            };
            // The load was stopped, or no permit became free before the end.
            let Some(permit) = permit else { break };
            let lateness = Instant::now().duration_since(due);
            schedule.sent += 1;
            schedule.late += u64::from(lateness > LATE);
            let lateness = u64::try_from(lateness.as_micros()).unwrap_or(u64::MAX);
            schedule.max_lateness_us = schedule.max_lateness_us.max(lateness);
            let run = self.clone();
            tasks.spawn(async move {
                run.send(number, due).await;
                drop(permit);
            });
        }
        tasks.close();
        tasks.wait().await;
        schedule.not_sent = schedule.planned - schedule.sent;
        schedule
    }
}

/// The time from the start of the load until the request with this number is due.
fn due_after(number: u64, rate_per_second: u32) -> Duration {
    let rate = u64::from(rate_per_second);
    Duration::from_secs(number / rate) + Duration::from_nanos(number % rate * 1_000_000_000 / rate)
}

/// The number of requests that are due in this period from the start of the load.
fn due_before(period: Duration, rate_per_second: u32) -> u64 {
    let nanos = period.as_nanos() * u128::from(rate_per_second);
    u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
}

/// Waits until a time.
#[derive(Debug)]
pub enum Timer {
    /// A separate thread, which is precise to some tens of microseconds.
    Thread(mpsc::Sender<Wake>),
    /// The timer of the runtime, which is precise to a millisecond. Tests can control its time.
    #[cfg(test)]
    Runtime,
}

/// A time until which the thread waits, and the channel for the signal at this time.
#[derive(Debug)]
pub struct Wake {
    at: Instant,
    done: oneshot::Sender<()>,
}

impl Timer {
    /// Starts the thread, which stops when the timer is dropped.
    pub fn start() -> Self {
        let (sender, wakes) = mpsc::channel::<Wake>();
        thread::spawn(move || {
            for Wake { at, done } in wakes {
                while let Some(remaining) = at.checked_duration_since(Instant::now()).filter(|time| !time.is_zero()) {
                    thread::park_timeout(remaining);
                }
                // An error means that the load has ended and the receiver was dropped.
                let _ = done.send(());
            }
        });
        Self::Thread(sender)
    }

    async fn wait_until(&self, at: Instant) {
        if Instant::now() >= at {
            return;
        }
        match self {
            Self::Thread(thread) => {
                let (done, waited) = oneshot::channel();
                if thread.send(Wake { at, done }).is_ok() {
                    // The thread does not panic, so it always sends the signal.
                    let _ = waited.await;
                }
            }
            #[cfg(test)]
            Self::Runtime => sleep_until(at).await,
        }
    }
}

#[cfg(test)]
mod tests;
