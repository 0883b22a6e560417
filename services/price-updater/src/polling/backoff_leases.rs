//! Which sources want to be left alone and until when, told to whoever asks them next: another instance, or this one after a
//! restart.
//!
//! A source that is left alone is lent out at price-cache-proxy, and who holds it is no instance but a time. So it is told
//! for as long as somebody renews it, and for an hour after that: a longer ban is forgotten where no instance is there for
//! an hour, or where price-cache-proxy keeps its leases in state and goes together with all of them.

use std::{collections::BTreeMap, time::Duration};

use common::{api::leases::MAX_LEASE_SECS, time::Timestamp};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{leadership::LEASE_NAME, upstreams::Upstreams};

/// How often a pause is told again, that is longer than a lease.
const RENEW: Duration = Duration::from_mins(10);
/// How far apart two ways to tell the same time may be.
const ROUNDED: Duration = Duration::from_secs(2);
const PAUSED_UNTIL: &str = "paused-until-";

/// A source and until when it is left alone.
pub(crate) type SourceBackoff = (&'static str, Instant);

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct BackoffLeases(BTreeMap<&'static str, StoredBackoff>);

#[derive(Debug)]
struct StoredBackoff {
    until: Instant,
    holder: String,
    /// When it is to be told again.
    renew: Instant,
}

impl BackoffLeases {
    /// Tells what is not told yet. What cannot be told now is told the next time.
    pub(crate) async fn store(&mut self, paused: &[SourceBackoff], upstreams: &dyn Upstreams, now: Timestamp) {
        let start = Instant::now();
        for &(source, until) in paused {
            let before = self.0.get(source).filter(|told| told.until == until);
            if before.is_some_and(|told| start < told.renew) {
                continue;
            }
            let left = until.saturating_duration_since(start);
            let ours = now.plus(left);
            let holder = before.map_or_else(|| holder(ours), |told| told.holder.clone());
            let ttl = Duration::from_secs(left.as_secs().clamp(1, MAX_LEASE_SECS));
            match upstreams.lease(&name(source), &holder, ttl).await {
                // As good as told: who was here before told it in other words, which are renewed from now on.
                Ok(lease) if self::until(&lease.holder).is_some_and(|told| ours.since(told) <= ROUNDED) => {
                    let renew = if lease.holder == holder { start + RENEW } else { start };
                    self.0.insert(source, StoredBackoff { until, holder: lease.holder, renew });
                }
                // It is held until an earlier time still.
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(source, error = error.chain(), "it cannot be told that a source is left alone");
                }
            }
        }
    }
}

/// How much longer each of `sources` is to be left alone, of those that are, as somebody told; nothing where that cannot be
/// known now.
pub(crate) async fn fetch_backoffs(
    sources: &[&'static str],
    upstreams: &dyn Upstreams,
    me: &str,
    now: Timestamp,
) -> Option<Vec<(&'static str, Duration)>> {
    // To ask is to take it where it is free: for so short that it is in nobody's way.
    let ask = async |source: &'static str| {
        let lease = upstreams.lease(&name(source), me, Duration::from_secs(1)).await.ok()?;
        let left = until(&lease.holder).map(|until| until.since(now)).filter(|left| !left.is_zero());
        Some(left.map(|left| (source, left)))
    };
    let all: Option<Vec<_>> = join_all(sources.iter().map(|&source| ask(source))).await.into_iter().collect();
    all.map(|all| all.into_iter().flatten().collect())
}

fn name(source: &str) -> String {
    format!("{LEASE_NAME}.{source}")
}

/// Whole seconds, the next one: a pause is rather told too long than too short.
fn holder(until: Timestamp) -> String {
    format!("{PAUSED_UNTIL}{}", until.micros().div_euclid(1_000_000) + 1)
}

fn until(holder: &str) -> Option<Timestamp> {
    let seconds: i64 = holder.strip_prefix(PAUSED_UNTIL)?.parse().ok()?;
    Timestamp::from_micros(seconds.checked_mul(1_000_000)?).ok()
}
