//! Passes the backoffs that sources asked for to the instance that polls next: another one, or this one after a restart.
//!
//! A backoff is stored as a lease in price-cache-proxy, and the holder of that lease is the time when the backoff ends. The
//! lease is renewed while the backoff lasts. A backoff is lost if it lasts longer than its lease and no instance renews that
//! lease in time. It is also lost if price-cache-proxy keeps leases in memory and restarts.

use std::{collections::BTreeMap, time::Duration};

use common::{api::leases::MAX_LEASE_SECS, time::Timestamp};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{leadership::LEASE_NAME, upstreams::Upstreams};

/// How often the lease of a backoff is renewed that is longer than a lease.
const RENEW_INTERVAL: Duration = Duration::from_mins(10);
/// How far apart two instances may place the end of the same backoff: each rounds it to whole seconds.
const ROUNDING_TOLERANCE: Duration = Duration::from_secs(2);
const HOLDER_PREFIX: &str = "paused-until-";

/// A source that must not be polled until a moment of this process's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceBackoff {
    pub(crate) source: &'static str,
    pub(crate) until: Instant,
}

/// A source that must not be polled for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RemainingBackoff {
    pub(crate) source: &'static str,
    pub(crate) remaining: Duration,
}

/// The backoffs that this instance has stored.
#[derive(Debug, Default)]
pub(crate) struct BackoffLeases(BTreeMap<&'static str, StoredBackoff>);

#[derive(Debug)]
struct StoredBackoff {
    until: Instant,
    holder: String,
    renew_at: Instant,
}

impl BackoffLeases {
    /// Stores backoffs that are new and renews those that are due. A backoff that cannot be stored is tried again in the next
    /// call.
    pub(crate) async fn store(&mut self, backoffs: &[SourceBackoff], upstreams: &dyn Upstreams, now: Timestamp) {
        let start = Instant::now();
        for &SourceBackoff { source, until } in backoffs {
            let stored = self.0.get(source).filter(|stored| stored.until == until);
            if stored.is_some_and(|stored| start < stored.renew_at) {
                continue;
            }
            let remaining = until.saturating_duration_since(start);
            let end = now.plus(remaining);
            let holder = stored.map_or_else(|| holder(end), |stored| stored.holder.clone());
            let ttl = Duration::from_secs(remaining.as_secs().clamp(1, MAX_LEASE_SECS));
            match upstreams.lease(&lease_name(source), &holder, ttl).await {
                // An earlier instance may have stored the same end, rounded otherwise. Its holder is renewed from now on.
                Ok(lease) if end_of(&lease.holder).is_some_and(|stored| end.since(stored) <= ROUNDING_TOLERANCE) => {
                    let renew_at = if lease.holder == holder { start + RENEW_INTERVAL } else { start };
                    self.0.insert(source, StoredBackoff { until, holder: lease.holder, renew_at });
                }
                // An earlier end is stored. Its lease must expire first.
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(source, error = error.chain(), "backoff of a source cannot be stored");
                }
            }
        }
    }
}

/// The stored backoffs of `sources` that have not ended. `None` if a backoff cannot be read now.
pub(crate) async fn fetch_backoffs(
    sources: &[&'static str],
    upstreams: &dyn Upstreams,
    instance_id: &str,
    now: Timestamp,
) -> Option<Vec<RemainingBackoff>> {
    // Leases can only be read by asking for them. A lease that is free is taken for one second, which disturbs nobody.
    let fetch = async |source: &'static str| {
        let lease = upstreams.lease(&lease_name(source), instance_id, Duration::from_secs(1)).await.ok()?;
        let remaining = end_of(&lease.holder).map(|end| end.since(now)).filter(|remaining| !remaining.is_zero());
        Some(remaining.map(|remaining| RemainingBackoff { source, remaining }))
    };
    let all: Option<Vec<_>> = join_all(sources.iter().map(|&source| fetch(source))).await.into_iter().collect();
    all.map(|all| all.into_iter().flatten().collect())
}

fn lease_name(source: &str) -> String {
    format!("{LEASE_NAME}.{source}")
}

/// The holder of a lease whose backoff ends at `end`, rounded up to whole seconds.
fn holder(end: Timestamp) -> String {
    format!("{HOLDER_PREFIX}{}", end.micros().div_euclid(1_000_000) + 1)
}

/// The end of the backoff that a holder stands for. `None` if the holder is an instance.
fn end_of(holder: &str) -> Option<Timestamp> {
    let seconds: i64 = holder.strip_prefix(HOLDER_PREFIX)?.parse().ok()?;
    Timestamp::from_micros(seconds.checked_mul(1_000_000)?).ok()
}
