//! Counts the requests of one client in a bucket: each request raises its level, and the bucket drains evenly.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// One request, in the unit of [`Bucket::level`]: a limit of one request per minute drains one unit per nanosecond.
const REQUEST: u64 = 60_000_000_000;

/// The part of the limit of a client that one instance may accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// The requests per minute at all instances together.
    pub limit: NonZeroU32,
    /// The number of instances that divide the limit.
    pub instances: NonZeroU32,
}

impl Share {
    /// The whole limit, for one instance.
    pub fn whole(limit: NonZeroU32) -> Self {
        Self { limit, instances: NonZeroU32::MIN }
    }

    /// The level of a full bucket: at least one request, because a client could otherwise send none.
    fn capacity(self) -> u64 {
        (u64::from(self.limit.get()).saturating_mul(REQUEST) / u64::from(self.instances.get())).max(REQUEST)
    }

    /// How far a bucket drains in this time.
    fn drained_in(self, time: Duration) -> u64 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        nanos.saturating_mul(self.limit.get().into()) / u64::from(self.instances.get())
    }

    /// How long a bucket takes to drain by `level`.
    fn time_to_drain(self, level: u64) -> Duration {
        let level = level.saturating_mul(self.instances.get().into());
        Duration::from_nanos(level.div_ceil(self.limit.get().into()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub allowed: bool,
    /// How many further requests are allowed without a pause.
    pub remaining: u32,
    /// The time until the next request is allowed. Zero if `remaining` is not zero.
    pub reset: Duration,
}

/// The requests of a client that still count. If the limit of the client changes, these requests still count.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    level: u64,
    /// `None` before the first request.
    updated_at: Option<Instant>,
}

impl Bucket {
    /// Counts a request, unless it exceeds the share.
    pub fn take(&mut self, share: Share, now: Instant) -> Decision {
        let mut free = share.capacity() - self.level_at(share, now);
        let allowed = free >= REQUEST;
        if allowed {
            self.level += REQUEST;
            free -= REQUEST;
        }
        let remaining = u32::try_from(free / REQUEST).unwrap_or(u32::MAX);
        Decision { allowed, remaining, reset: share.time_to_drain(REQUEST.saturating_sub(free)) }
    }

    /// Counts a request that is already allowed. The bucket does not overflow.
    pub fn add(&mut self, share: Share, now: Instant) {
        self.level = self.level_at(share, now).saturating_add(REQUEST).min(share.capacity());
    }

    /// The requests that count now, in millionths.
    pub fn microrequests(&mut self, share: Share, now: Instant) -> u64 {
        self.level_at(share, now) / (REQUEST / MICROREQUESTS)
    }

    fn level_at(&mut self, share: Share, now: Instant) -> u64 {
        let elapsed = self.updated_at.map_or(Duration::ZERO, |updated_at| now.duration_since(updated_at));
        self.level = self.level.saturating_sub(share.drained_in(elapsed)).min(share.capacity());
        self.updated_at = Some(now);
        self.level
    }
}

/// One request, in millionths.
pub(super) const MICROREQUESTS: u64 = 1_000_000;

#[cfg(test)]
mod tests;
