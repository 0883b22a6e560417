//! Which of several instances asks the sources: one at a time, so that replicas never double what the sources see.

use std::time::Duration;

use common::api::leases::Lease;
use tokio::time::Instant;

/// The name of the lease.
pub(crate) const LEASE_NAME: &str = "price-updater";
/// For how long it is taken at least. It is renewed each slot, so that another one takes over so long after this one is gone.
const LEASE_TTL: Duration = Duration::from_secs(10);

/// Whether this instance leads.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Different for every process, also after a restart.
    pub(crate) instance_id: String,
    /// From one ask for the lease to the next.
    renew_interval: Duration,
    /// Until when the lease is this instance's own, by its own clock, counted from before it asked; nothing where it does not
    /// lead.
    held_until: Option<Instant>,
    /// Who held the lease when the cache answered last.
    holder: Option<String>,
}

impl Leadership {
    pub(crate) fn new(instance_id: String, renew_interval: Duration) -> Self {
        Self { instance_id, renew_interval, held_until: None, holder: None }
    }

    /// For how long the lease is taken: one renewal may fail.
    pub(crate) fn ttl(&self) -> Duration {
        LEASE_TTL.max(self.renew_interval * 2)
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.held_until.is_some()
    }

    /// The other one that leads.
    pub(crate) fn other_leader(&self) -> Option<&str> {
        self.holder.as_deref().filter(|holder| *holder != self.instance_id)
    }

    /// Takes in how asking for the lease ended, which was begun at `asked`. Whether this instance begins to lead now.
    ///
    /// While the cache does not answer, who does not hold the lease stands by, and who does goes on until it would run out
    /// in the slot that begins: from then on another one may have taken it, which the cache answers. Nobody leads then if it
    /// answers none. That costs no price, for a record gets to orders by way of the cache alone, and they go on with the one
    /// that they hold until it expires; what is lost is the history of that time. When the cache is back the lease is taken
    /// in the next slot, and the record is written in the same one.
    pub(crate) fn apply(&mut self, answer: Option<Lease>, asked: Instant) -> bool {
        let was_leader = self.is_leader();
        let Some(lease) = answer else {
            // Slots are not exactly so far apart.
            if self.held_until.is_some_and(|until| until <= asked + self.renew_interval / 2) {
                tracing::warn!("it is not known any more who leads: this instance stops asking the sources");
                (self.held_until, self.holder) = (None, None);
            }
            return false;
        };
        self.held_until = (lease.holder == self.instance_id).then(|| asked + self.ttl());
        match (was_leader, self.is_leader()) {
            (false, true) => tracing::info!("this instance asks the sources from now on"),
            (true, false) => {
                tracing::warn!(holder = lease.holder, "another instance asks the sources: this one stands by");
            }
            (false, false) if self.holder.as_ref() != Some(&lease.holder) => {
                tracing::info!(holder = lease.holder, "another instance asks the sources: this one stands by");
            }
            _ => {}
        }
        self.holder = Some(lease.holder);
        self.is_leader() && !was_leader
    }
}

#[cfg(test)]
mod tests;
