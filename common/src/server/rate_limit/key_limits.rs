//! A rate limit for each API key. Keys have different limits.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, middleware::StateInformationMiddleware};
use moka::{policy::EvictionPolicy, sync::Cache};

use super::{Decision, MAX_RATE_LIMITED_CLIENTS};
use crate::ids::KeyId;

/// A limit refills within a minute, so the state of a key without requests in that time is the one of a new key.
const REFILL_TIME: Duration = Duration::from_secs(60);

type KeyLimiter = DefaultDirectRateLimiter<StateInformationMiddleware>;

/// The states of the limits of keys.
#[derive(Clone)]
pub(super) struct KeyLimits(Cache<LimitedKey, Arc<KeyLimiter>>);

/// A key with its limit. A key whose limit was changed starts with the whole new limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct LimitedKey {
    id: KeyId,
    per_minute: NonZeroU32,
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
        let new_limiter = || Arc::new(RateLimiter::direct(Quota::per_minute(per_minute)).with_middleware());
        self.0.get_with(LimitedKey { id, per_minute }, new_limiter).check()
    }
}
