//! Leader election by a lease in price-cache-proxy. Only the leader polls the sources, so that replicas do not multiply
//! requests.

use std::time::Duration;

use common::api::leases::Lease;
use tokio::time::Instant;

/// The name of the lease in price-cache-proxy.
pub(crate) const LEASE_NAME: &str = "price-updater";
/// Minimum TTL of the lease. If the leader stops without releasing the lease, another instance takes over in its first
/// poll interval after the lease has expired. The leader renews the lease in each poll interval.
const MIN_LEASE_TTL: Duration = Duration::from_secs(10);

/// Tracks which instance is the leader.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Unique for each process, so that a restart creates a new id.
    pub(crate) instance_id: String,
    renew_interval: Duration,
    /// When the lease of this instance expires, by the monotonic clock of this instance. The TTL is counted from just
    /// before the request was sent. `None` for a follower.
    held_until: Option<Instant>,
    /// The holder of the lease according to the last answer. `None` before the first answer, and after this instance has
    /// lost its lease because price-cache-proxy did not answer.
    holder: Option<String>,
}

impl Leadership {
    pub(crate) fn new(instance_id: String, renew_interval: Duration) -> Self {
        Self { instance_id, renew_interval, held_until: None, holder: None }
    }

    /// The TTL of the lease. It is at least two renewal intervals, so that one renewal may fail.
    pub(crate) fn ttl(&self) -> Duration {
        MIN_LEASE_TTL.max(self.renew_interval * 2)
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.held_until.is_some()
    }

    /// The leader, if it is another instance.
    pub(crate) fn other_leader(&self) -> Option<&str> {
        self.holder.as_deref().filter(|holder| *holder != self.instance_id)
    }

    /// Applies the answer to a request for the lease that was sent at `requested`. Returns whether this instance has just
    /// become the leader.
    ///
    /// `answer` is `None` if price-cache-proxy did not answer. A follower then stays a follower. The leader becomes a
    /// follower if its lease expires at most half a renewal interval after `requested`, because another instance could
    /// acquire the lease before the next renewal. During a long outage of price-cache-proxy, there is no leader. The
    /// missing leader does not affect orders: create-order can receive no new record during the outage, and uses the
    /// last record until it expires. Only the price history has a gap.
    pub(crate) fn apply_answer(&mut self, answer: Option<Lease>, requested: Instant) -> bool {
        let was_leader = self.is_leader();
        let Some(lease) = answer else {
            // Half an interval is the tolerance for requests that are not sent at exact intervals.
            if self.held_until.is_some_and(|held_until| held_until <= requested + self.renew_interval / 2) {
                tracing::warn!("lease cannot be renewed: this instance stops polling");
                (self.held_until, self.holder) = (None, None);
            }
            return false;
        };
        self.held_until = (lease.holder == self.instance_id).then(|| requested + self.ttl());
        match (was_leader, self.is_leader()) {
            (false, true) => tracing::info!("this instance is the leader and polls the sources"),
            (true, false) => {
                tracing::warn!(holder = lease.holder, "another instance is the leader: this instance stops polling");
            }
            (false, false) if self.holder.as_ref() != Some(&lease.holder) => {
                tracing::info!(holder = lease.holder, "another instance is the leader");
            }
            _ => {}
        }
        self.holder = Some(lease.holder);
        self.is_leader() && !was_leader
    }
}

#[cfg(test)]
mod tests;
