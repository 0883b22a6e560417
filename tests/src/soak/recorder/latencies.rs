//! A histogram of latencies with a fixed size.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// One bucket per millisecond. The last bucket counts all latencies of 2 s or more.
const BUCKETS: usize = 2_001;

#[derive(Debug)]
pub struct Latencies([AtomicU64; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; BUCKETS])
    }
}

impl Latencies {
    pub fn record(&self, latency: Duration) {
        let millis = usize::try_from(latency.as_millis()).unwrap_or(BUCKETS);
        self.0[millis.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// The median, the 99th percentile and the maximum since the last call, each rounded down.
    pub fn take(&self) -> String {
        let counts: Vec<_> = self.0.iter().map(|bucket| bucket.swap(0, Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let percentile = |percent: u64| {
            let mut left = (total * percent).div_ceil(100).max(1);
            counts.iter().position(|count| {
                left = left.saturating_sub(*count);
                left == 0
            })
        };
        let text = |percent| match percentile(percent) {
            None => "none".to_owned(),
            Some(millis) if millis == BUCKETS - 1 => format!("{millis} ms or more"),
            Some(millis) => format!("{millis} ms"),
        };
        format!("p50 {}, p99 {}, max {}", text(50), text(99), text(100))
    }
}
