//! Leadership: of several instances, only the one that holds a lease polls the sources. So replicas do not multiply requests.

use std::time::Duration;

use common::api::leases::Lease;
use tokio::time::Instant;

/// The name of the lease in price-cache-proxy.
pub(crate) const LEASE_NAME: &str = "price-updater";
/// The shortest time for which the lease is taken. If the leader stops without releasing it, another instance takes over after
/// that time. The leader renews the lease in each poll interval.
const MIN_LEASE_TTL: Duration = Duration::from_secs(10);

/// Whether this instance is the leader.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Different for every process, also after a restart.
    pub(crate) instance_id: String,
    renew_interval: Duration,
    /// When the lease of this instance expires by its own clock, counted from before the request. `None` for a follower.
    held_until: Option<Instant>,
    /// The holder of the lease in the last answer.
    holder: Option<String>,
}

impl Leadership {
    pub(crate) fn new(instance_id: String, renew_interval: Duration) -> Self {
        Self { instance_id, renew_interval, held_until: None, holder: None }
    }

    /// How long the lease is taken for: one renewal may fail.
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

    /// Applies the answer to a request for the lease that was sent at `requested`. Returns whether this instance has just become
    /// the leader.
    ///
    /// `answer` is `None` if price-cache-proxy did not answer. A follower then stays a follower. The leader stops one interval
    /// before its lease expires, because another instance may take the lease after that. If nobody gets an answer, there is
    /// no leader. No price is lost by that: records reach orders only through price-cache-proxy, and orders go on with the last
    /// record until it expires. Only the history of that time is lost. As soon as price-cache-proxy answers, an instance takes
    /// the lease and publishes a record in the same interval.
    pub(crate) fn apply(&mut self, answer: Option<Lease>, requested: Instant) -> bool {
        let was_leader = self.is_leader();
        let Some(lease) = answer else {
            // Half an interval is left for requests that are not sent at exact intervals.
            if self.held_until.is_some_and(|held_until| held_until <= requested + self.renew_interval / 2) {
                tracing::warn!("leader is unknown: this instance stops polling");
                (self.held_until, self.holder) = (None, None);
            }
            return false;
        };
        self.held_until = (lease.holder == self.instance_id).then(|| requested + self.ttl());
        match (was_leader, self.is_leader()) {
            (false, true) => tracing::info!("this instance is the leader and polls the sources"),
            (true, false) => {
                tracing::warn!(holder = lease.holder, "another instance is the leader: this one stops polling");
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
