//! A limit on the log lines of one kind of event.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use crate::config::Live;

/// Permits at most `per_second` lines in each second, and counts the omitted lines. An event whose line is omitted costs
/// a few atomic operations.
#[derive(Debug)]
pub struct LineLimit {
    per_second: Live<u32>,
    factor: u32,
    start: Instant,
    /// The upper half contains the newest second that has lines. The lower half contains the number of lines of this second.
    window: AtomicU64,
    omitted: AtomicU64,
}

const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

impl LineLimit {
    /// A limit of zero permits no line.
    pub fn new(per_second: Live<u32>) -> Self {
        Self { per_second, factor: 1, start: Instant::now(), window: AtomicU64::new(0), omitted: AtomicU64::new(0) }
    }

    /// Permits `factor` times as many lines.
    #[must_use]
    pub fn times(self, factor: u32) -> Self {
        Self { factor, ..self }
    }

    /// Returns `None` if no line may be written for an event at `now`. Otherwise, returns how many lines were omitted since
    /// the previous line.
    pub fn admit(&self, now: Instant) -> Option<u64> {
        let second = now.saturating_duration_since(self.start).as_secs();
        let per_second: u64 = self.per_second.get().saturating_mul(self.factor).into();
        let admitted = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| {
            let (newest, lines) = (window >> COUNT_BITS, window & COUNT_MASK);
            // A thread that was delayed counts its event in the newest second.
            let (second, lines) = if second > newest { (second, 0) } else { (newest, lines) };
            (lines < per_second).then_some((second << COUNT_BITS) | (lines + 1))
        });
        if admitted.is_ok() {
            return Some(self.omitted.swap(0, Ordering::Relaxed));
        }
        self.omitted.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests;
