//! A rate limit for each API key. Keys have different limits, which may change.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, middleware::StateInformationMiddleware};
use moka::{policy::EvictionPolicy, sync::Cache};

use super::{Decision, MAX_RATE_LIMITED_CLIENTS};
use crate::ids::KeyId;

/// A limit refills within a minute, so the state of a key without requests in that time is the one of a new key.
const REFILL_TIME: Duration = Duration::from_secs(60);

/// The states of the limits of keys.
#[derive(Clone)]
pub(super) struct KeyLimits(Cache<KeyId, Arc<KeyLimiter>>);

/// The limit of one key.
struct KeyLimiter {
    per_minute: NonZeroU32,
    limiter: DefaultDirectRateLimiter<StateInformationMiddleware>,
}

impl Default for KeyLimits {
    fn default() -> Self {
        let limiters = Cache::builder()
            .max_capacity(MAX_RATE_LIMITED_CLIENTS as u64)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(REFILL_TIME);
        Self(limiters.build())
    }
}

impl KeyLimits {
    /// Counts a request with this key.
    pub(super) fn count(&self, id: KeyId, per_minute: NonZeroU32) -> Decision {
        let limiter = self.0.get_with(id, || Arc::new(KeyLimiter::new(per_minute)));
        if limiter.per_minute == per_minute {
            return limiter.limiter.check();
        }
        let changed = self.0.entry(id).and_upsert_with(|current| match current {
            Some(current) if current.value().per_minute == per_minute => current.into_value(),
            Some(current) => Arc::new(current.value().with_limit(per_minute)),
            None => Arc::new(limiter.with_limit(per_minute)),
        });
        changed.into_value().limiter.check()
    }
}

impl KeyLimiter {
    fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute, limiter: RateLimiter::direct(Quota::per_minute(per_minute)).with_middleware() }
    }

    /// The same key with another limit. As many requests count against it as against this one.
    fn with_limit(&self, per_minute: NonZeroU32) -> Self {
        let changed = Self::new(per_minute);
        if let Some(used) = NonZeroU32::new(self.used().min(per_minute.get())) {
            let counted = changed.limiter.check_n(used);
            debug_assert!(matches!(counted, Ok(Ok(_))), "a new limit permits as many requests as it has");
        }
        changed
    }

    /// How many requests count against the limit. Reading it counts one more, because the limiter has no other way to be read, so
    /// the limiter should be replaced afterwards.
    fn used(&self) -> u32 {
        let per_minute = self.per_minute.get();
        self.limiter.check().map_or(per_minute, |state| per_minute.saturating_sub(state.remaining_burst_capacity() + 1))
    }
}
