use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::time::{Instant, advance, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Period, Run, Timer, due_after, due_before};
use crate::load::{
    measures::Schedule,
    recording::{Recorder, Recording},
    workload::{Failure, Workload},
};

/// A platform that responds after one millisecond, or at the end of the stall.
#[derive(Debug)]
struct StallingPlatform {
    stall: Period,
}

impl Workload for StallingPlatform {
    fn operations(&self) -> &'static [&'static str] {
        &["request"]
    }

    fn operation_of(&self, _: u64) -> usize {
        0
    }

    async fn send(&self, _: u64) -> Result<(), Failure> {
        sleep(Duration::from_millis(1)).await;
        let now = Instant::now();
        if self.stall.start <= now && now < self.stall.end {
            sleep_until(self.stall.end).await;
        }
        Ok(())
    }
}

struct Results {
    recording: Recording,
    schedule: Schedule,
}

/// The results of a load of three seconds. The platform stalls from 1 s to 2 s after the start. The time is virtual.
async fn results_of(send: impl FnOnce(Run<StallingPlatform>) -> Pin<Box<dyn Future<Output = Schedule>>>) -> Results {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let workload = Arc::new(StallingPlatform { stall: Period { start: at(1), end: at(2) } });
    let recorder = Arc::new(Recorder::new(1, start).unwrap());
    let stop = CancellationToken::new();
    let schedule = send(Run { workload, recorder: recorder.clone(), period: Period { start, end: at(3) }, stop }).await;
    let recording = Arc::into_inner(recorder).unwrap().into_recording();
    Results { recording, schedule }
}

async fn open_results(rate: u32, max_in_flight: u32) -> Results {
    results_of(|run| Box::pin(async move { run.send_open(rate, max_in_flight, &Timer::Runtime).await })).await
}

fn slower_than(recording: &Recording, latency: Duration) -> u64 {
    let micros = u64::try_from(latency.as_micros()).unwrap();
    recording.latency.count_between(micros, u64::MAX)
}

#[tokio::test(start_paused = true)]
async fn open_model_shows_a_stall_in_every_request_that_was_due_during_the_stall() {
    let Results { recording, schedule } = open_results(100, 512).await;
    assert_eq!(recording.latency.len(), 300);
    assert_eq!(
        schedule,
        Schedule { planned: 300, sent: 300, max_lateness_us: schedule.max_lateness_us, ..Schedule::default() }
    );
    // 100 requests were due during the stall, the last of them only a few milliseconds before its end.
    let (all, half) =
        (slower_than(&recording, Duration::from_millis(5)), slower_than(&recording, Duration::from_millis(500)));
    assert!((98..=101).contains(&all), "{all}");
    assert!((49..=51).contains(&half), "{half}");
    assert!(recording.latency.value_at_quantile(0.99) > 900_000);
}

#[tokio::test(start_paused = true)]
async fn closed_model_shows_a_stall_in_one_request_of_each_connection() {
    let Results { recording, .. } = results_of(|run| {
        Box::pin(async move {
            run.send_closed(2).await;
            Schedule::default()
        })
    })
    .await;
    assert_eq!(slower_than(&recording, Duration::from_millis(5)), 2);
    assert!(recording.latency.len() > 3000, "{}", recording.latency.len());
    // The 99th percentile does not show a second without any response.
    assert!(recording.latency.value_at_quantile(0.99) < 5000);
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_maximum_in_flight_are_late_and_their_latency_counts_from_their_due_time() {
    let Results { recording, schedule } = open_results(100, 10).await;
    let Schedule { planned, sent, late, waited_for_slot, not_sent, max_lateness_us } = schedule;
    assert_eq!((planned, sent, not_sent), (300, 300, 0));
    // Of the 100 requests that were due during the stall, 10 were sent on time. The others waited until the end of the
    // stall, the last of them for less than 10 ms.
    assert!((87..=91).contains(&late), "{late}");
    assert!(waited_for_slot >= 1, "{waited_for_slot}");
    assert!((880_000..=920_000).contains(&max_lateness_us), "{max_lateness_us}");
    let slow = slower_than(&recording, Duration::from_millis(5));
    assert!((98..=102).contains(&slow), "{slow}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_exceed_the_maximum_in_flight_until_the_end_are_not_sent() {
    let start = Instant::now();
    let end = start + Duration::from_secs(1);
    let workload = Arc::new(StallingPlatform { stall: Period { start, end: end + Duration::from_secs(1) } });
    let recorder = Arc::new(Recorder::new(1, start).unwrap());
    let stop = CancellationToken::new();
    let run = Run { workload, recorder: recorder.clone(), period: Period { start, end }, stop };
    let schedule = run.send_open(100, 10, &Timer::Runtime).await;
    assert_eq!((schedule.planned, schedule.sent, schedule.not_sent), (100, 10, 90));
    assert_eq!(Arc::into_inner(recorder).unwrap().into_recording().latency.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn warm_up_is_counted_but_not_measured() {
    let start = Instant::now();
    let (measured_from, end) = (start + Duration::from_secs(1), start + Duration::from_secs(2));
    let workload = Arc::new(StallingPlatform { stall: Period { start: end, end } });
    let recorder = Arc::new(Recorder::new(1, measured_from).unwrap());
    let stop = CancellationToken::new();
    let run = Run { workload, recorder: recorder.clone(), period: Period { start, end }, stop };
    run.send_open(10, 10, &Timer::Runtime).await;
    let recording = Arc::into_inner(recorder).unwrap().into_recording();
    assert_eq!((recording.warm_up, recording.latency.len()), (10, 10));
    assert_eq!(recording.seconds.len(), 1);
    assert_eq!(recording.seconds[0].responses, 10);
}

#[tokio::test(start_paused = true)]
async fn stopped_load_ends_without_the_remaining_requests() {
    let start = Instant::now();
    let end = start + Duration::from_secs(100);
    let workload = Arc::new(StallingPlatform { stall: Period { start: end, end } });
    let recorder = Arc::new(Recorder::new(1, start).unwrap());
    let stop = CancellationToken::new();
    let run = Run { workload, recorder, period: Period { start, end }, stop: stop.clone() };
    let load = tokio::spawn(async move { run.send_open(10, 10, &Timer::Runtime).await });
    sleep(Duration::from_millis(1050)).await;
    stop.cancel();
    let schedule = load.await.unwrap();
    assert_eq!((schedule.sent, schedule.not_sent), (11, 989));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn thread_wakes_the_load_when_a_request_is_due() {
    let timer = Timer::start();
    let due = Instant::now() + Duration::from_millis(20);
    timer.wait_until(due).await;
    assert!(Instant::now() >= due);
}

#[test]
fn due_times_are_exact_for_rates_that_do_not_divide_a_second() {
    assert_eq!(due_after(3, 3), Duration::from_secs(1));
    assert_eq!(due_after(7, 3), Duration::new(2, 333_333_333));
    assert_eq!(due_after(3_000_000_001, 1_000_000), Duration::new(3000, 1000));
    for (period, rate, expected) in [(1000, 3, 3), (1500, 3, 5), (1, 1, 1), (10_000, 500, 5000)] {
        assert_eq!(due_before(Duration::from_millis(period), rate), expected, "{period} ms at {rate}/s");
    }
}

#[tokio::test(start_paused = true)]
async fn stopped_load_sends_no_overdue_request() {
    let start = Instant::now();
    let end = start + Duration::from_secs(100);
    let workload = Arc::new(StallingPlatform { stall: Period { start: end, end } });
    let recorder = Arc::new(Recorder::new(1, start).unwrap());
    let stop = CancellationToken::new();
    let run = Run { workload, recorder, period: Period { start, end }, stop: stop.clone() };
    advance(Duration::from_secs(5)).await;
    stop.cancel();
    let schedule = run.send_open(10, 10, &Timer::Runtime).await;
    assert_eq!((schedule.sent, schedule.not_sent), (0, 1000));
}
