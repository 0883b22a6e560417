//! When the next connection may be made: not at once again and again, and only so often in all.

use std::{collections::VecDeque, time::Duration};

use common::backoff::Backoff;
use tokio::time::Instant;

/// First wait after a failure; each further one is twice as long, and up to as much again is drawn by chance.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// Most connections within [`WINDOW`], whatever ended them. The strictest exchange permits 300 in that time to everybody
/// behind an address, and bans who goes on.
pub(super) const MAX_CONNECTS: usize = 20;
pub(super) const WINDOW: Duration = Duration::from_mins(5);

pub(super) struct Pace {
    backoff: Backoff,
    /// When the connections of the last window were begun, oldest first.
    begun: VecDeque<Instant>,
    not_before: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { backoff: backoff(), begun: VecDeque::with_capacity(MAX_CONNECTS), not_before: None }
    }

    /// When the next connection may be begun: now, or later.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        while self.begun.front().is_some_and(|&begun| begun + WINDOW <= now) {
            self.begun.pop_front();
        }
        let room = if self.begun.len() < MAX_CONNECTS { None } else { self.begun.front().map(|&first| first + WINDOW) };
        [self.not_before, room].into_iter().flatten().fold(now, Instant::max)
    }

    /// A connection is begun.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun.push_back(now);
        self.not_before = None;
    }

    /// It ended, or was never made: the next one is waited for, longer each time.
    pub(super) fn failed(&mut self, now: Instant) {
        self.not_before = Some(now + self.backoff.wait());
    }

    /// It was good for long enough: the next failure is a first one.
    pub(super) fn worked(&mut self) {
        self.backoff = backoff();
    }
}

fn backoff() -> Backoff {
    Backoff::new(FIRST_BACKOFF, MAX_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_a_limit_and_begin_anew_after_a_good_connection() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        assert_eq!(pace.next(now), now);
        let mut waits = Vec::new();
        for _ in 0..10 {
            pace.begin(now);
            pace.failed(now);
            waits.push(pace.next(now) - now);
        }
        let mut least = FIRST_BACKOFF;
        for wait in waits {
            assert!(least <= wait && wait <= least * 2, "{wait:?} after {least:?}");
            least = (least * 2).min(MAX_BACKOFF);
        }
        pace.worked();
        pace.failed(now);
        assert!(pace.next(now) - now <= FIRST_BACKOFF * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_are_made_in_a_window() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        for second in 0..MAX_CONNECTS as u64 {
            let now = start + Duration::from_secs(second);
            assert_eq!(pace.next(now), now);
            pace.begin(now);
        }
        let now = start + Duration::from_secs(60);
        assert_eq!(pace.next(now), start + WINDOW);
        let later = start + WINDOW;
        assert_eq!(pace.next(later), later);
    }
}
