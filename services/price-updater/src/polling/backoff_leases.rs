//! Keeps the backoffs of sources across restarts and changes of the leader. A *backoff* is a time in which
//! a source is not polled, for example after the source refused a request because of its rate limit.
//!
//! A backoff is stored as a lease in price-cache-proxy. The holder field of the lease contains the end of the backoff. The
//! lease is renewed while the backoff lasts. A backoff is lost if it lasts longer than its lease and no instance renews
//! that lease in time. It is also lost if price-cache-proxy keeps leases in memory and restarts.

use std::{collections::BTreeMap, time::Duration};

use common::{api::leases::MAX_LEASE_SECS, time::Timestamp};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{leadership::LEASE_NAME, upstreams::Upstreams};

/// Time between renewals of the lease of a backoff. A backoff can last longer than a lease.
const RENEW_INTERVAL: Duration = Duration::from_mins(10);
/// Maximum time by which a stored end may precede the computed end of the same backoff. Each instance rounds the end to
/// whole seconds, so two instances can compute different ends.
const ROUNDING_TOLERANCE: Duration = Duration::from_secs(2);
/// The prefix of the holder field of a backoff. The end of the backoff follows, in seconds since 1970.
const HOLDER_PREFIX: &str = "paused-until-";

/// The end of a source's backoff, by the monotonic clock of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceBackoff {
    pub(crate) source: &'static str,
    pub(crate) until: Instant,
}

/// The remaining time of a source's backoff.
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
    /// Stores new backoffs, and renews leases that are due. A failed write is retried in the next call.
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
            match upstreams.acquire_lease(&lease_name(source), &holder, ttl).await {
                // The lease contains this end, a later end, or this end as another instance has rounded it. Renewals use
                // the stored end.
                Ok(lease) if end_of(&lease.holder).is_some_and(|stored| end.since(stored) <= ROUNDING_TOLERANCE) => {
                    let renew_at = if lease.holder == holder { start + RENEW_INTERVAL } else { start };
                    self.0.insert(source, StoredBackoff { until, holder: lease.holder, renew_at });
                }
                // The lease contains an earlier end, or an instance has acquired the lease to read it. The backoff is
                // stored after that lease has expired.
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(source, error = error.chain(), "backoff of a source cannot be stored");
                }
            }
        }
    }
}

/// Returns the stored backoffs of `sources` that have not ended. Returns `None` if price-cache-proxy does not answer for
/// one of the sources.
pub(crate) async fn fetch_backoffs(
    sources: &[&'static str],
    upstreams: &dyn Upstreams,
    instance_id: &str,
    now: Timestamp,
) -> Option<Vec<RemainingBackoff>> {
    // Reading a lease requires an attempt to acquire it. A free lease is acquired for one second only, so a new backoff can
    // be stored after that second.
    let fetch = async |source: &'static str| {
        let lease = upstreams.acquire_lease(&lease_name(source), instance_id, Duration::from_secs(1)).await.ok()?;
        let remaining = end_of(&lease.holder).map(|end| end.since(now)).filter(|remaining| !remaining.is_zero());
        Some(remaining.map(|remaining| RemainingBackoff { source, remaining }))
    };
    let all: Option<Vec<_>> = join_all(sources.iter().map(|&source| fetch(source))).await.into_iter().collect();
    all.map(|all| all.into_iter().flatten().collect())
}

fn lease_name(source: &str) -> String {
    format!("{LEASE_NAME}.{source}")
}

/// The holder field for a backoff that ends at `end`. The field contains the first whole second after `end`.
fn holder(end: Timestamp) -> String {
    format!("{HOLDER_PREFIX}{}", end.micros().div_euclid(1_000_000) + 1)
}

/// The end of the backoff in a holder field. `None` if the holder is an instance.
fn end_of(holder: &str) -> Option<Timestamp> {
    let seconds: i64 = holder.strip_prefix(HOLDER_PREFIX)?.parse().ok()?;
    Timestamp::from_micros(seconds.checked_mul(1_000_000)?).ok()
}
