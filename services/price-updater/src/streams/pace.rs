//! When the next connection may be made: not at once again and again, and only so often in all.

use std::{collections::VecDeque, time::Duration};

use common::concurrency::backoff::Backoff;
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
        self.not_before = Some(now + self.backoff.next_delay());
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
mod tests;
