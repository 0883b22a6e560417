//! The pace at which orders and quotes use the limit, and the time at which the limit is reached at this pace.

use std::{collections::VecDeque, time::Duration};

use common::{
    api::health::{LimitPace, OrderLimitStatus},
    money::Sats,
};

use crate::clock::Instants;

/// The pace is measured over about this period, or since the first sample if that sample is younger.
const PERIOD: Duration = Duration::from_hours(1);
/// Minimum time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);
/// Minimum time over which the pace must be measured to predict when the limit is reached.
const MIN_FORECAST_PERIOD: Duration = Duration::from_mins(10);
/// No time is predicted for a limit that lasts longer than this.
const MAX_FORECAST: Duration = Duration::from_hours(10 * 365 * 24);

/// The used part of the limit at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    used: Sats,
}

/// The samples of the last hour, one per minute.
#[derive(Debug, Default)]
pub(crate) struct LimitUsage(VecDeque<Sample>);

impl LimitUsage {
    /// Records the used part of the limit, unless the last sample is less than a minute old.
    pub(crate) fn record(&mut self, limit: &OrderLimitStatus, now: Instants) {
        let at = now.monotonic;
        if self.0.back().is_some_and(|last| at.saturating_sub(last.at) < SAMPLE_INTERVAL) {
            return;
        }
        // Of the samples that are at least `PERIOD` old, only the newest is kept.
        while self.0.get(1).is_some_and(|second| at.saturating_sub(second.at) >= PERIOD) {
            self.0.pop_front();
        }
        self.0.push_back(Sample { at, used: limit.used() });
    }

    /// The pace since the oldest sample. `None` if there is no sample, or if the oldest sample is less than a minute
    /// old.
    pub(crate) fn pace(&self, limit: &OrderLimitStatus, now: Instants) -> Option<LimitPace> {
        let oldest = self.0.front()?;
        let elapsed = now.monotonic.saturating_sub(oldest.at);
        if elapsed < SAMPLE_INTERVAL {
            return None;
        }
        // The used part may have decreased, because expired quotes return their reservations.
        let used = limit.used().saturating_sub(oldest.used);
        let full_at = (used > Sats::ZERO && elapsed >= MIN_FORECAST_PERIOD).then(|| {
            let millis =
                i128::from(limit.remaining.get()) * i128::try_from(elapsed.as_millis()).ok()? / i128::from(used.get());
            let time_left = Duration::from_millis(u64::try_from(millis).ok()?);
            (time_left <= MAX_FORECAST).then(|| now.wall.plus(time_left))
        });
        Some(LimitPace { used, over_secs: elapsed.as_secs(), full_at: full_at.flatten() })
    }
}

#[cfg(test)]
mod tests;
