//! Prints the progress of a load to standard error once a second.

use std::{
    io::{IsTerminal, stderr},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::{
    measures::Second,
    recording::Recorder,
    statistics::{format_count, format_latency},
};

#[derive(Debug)]
pub struct Progress {
    pub recorder: Arc<Recorder>,
    pub start: Instant,
    pub measured_from: Instant,
    /// If set, the progress is printed only to a terminal, because a program possibly reads standard error.
    pub json: bool,
}

impl Progress {
    /// Prints a line each second until `end`.
    pub async fn print_until(self, end: CancellationToken) {
        if self.json && !stderr().is_terminal() {
            return;
        }
        let second = Duration::from_secs(1);
        let mut ticks = interval_at(self.start + second, second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                now = ticks.tick() => eprintln!("{}", self.line(now)),
            }
        }
    }

    fn line(&self, now: Instant) -> String {
        let elapsed = now.duration_since(self.start).as_secs();
        let in_flight = self.recorder.in_flight();
        let recording = self.recorder.recording_at(now);
        if now < self.measured_from {
            let responses = format_count(recording.warm_up);
            return format!("{elapsed:>4} s  warm-up, {responses} responses, {in_flight} in flight");
        }
        let Second { responses, failed, latency_us } = recording.seconds.last().copied().unwrap_or_default();
        format!(
            "{elapsed:>4} s  {:>7}/s  p50 {:>9}  p99 {:>9}  max {:>9}  unexpected {}  in flight {in_flight}",
            format_count(responses),
            format_latency(latency_us.p50),
            format_latency(latency_us.p99),
            format_latency(latency_us.max),
            format_count(failed),
        )
    }
}
