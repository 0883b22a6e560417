//! Which of several instances asks the sources: one at a time, so that replicas never double what the sources see.

use std::time::Duration;

use common::api::leases::Lease;
use tokio::time::Instant;

/// The name of the lease.
pub(crate) const LEASE: &str = "price-updater";
/// For how long it is taken at least. It is renewed each slot, so that another one takes over so long after this one is gone.
const LEASE_TTL: Duration = Duration::from_secs(10);

/// Whether this instance leads.
#[derive(Debug)]
pub(crate) struct Leader {
    /// Different for every process, also after a restart.
    pub(crate) me: String,
    /// From one ask for the lease to the next.
    slot: Duration,
    /// Until when the lease is this instance's own, by its own clock, counted from before it asked; nothing where it does not
    /// lead.
    until: Option<Instant>,
    /// Who held the lease when the cache answered last.
    holder: Option<String>,
}

impl Leader {
    pub(crate) fn new(me: String, slot: Duration) -> Self {
        Self { me, slot, until: None, holder: None }
    }

    /// For how long the lease is taken: one renewal may fail.
    pub(crate) fn ttl(&self) -> Duration {
        LEASE_TTL.max(self.slot * 2)
    }

    pub(crate) fn leads(&self) -> bool {
        self.until.is_some()
    }

    /// The other one that leads.
    pub(crate) fn other(&self) -> Option<&str> {
        self.holder.as_deref().filter(|holder| *holder != self.me)
    }

    /// Takes in how asking for the lease ended, which was begun at `asked`. Whether this instance begins to lead now.
    ///
    /// While the cache does not answer, who does not hold the lease stands by, and who does goes on until it would run out
    /// in the slot that begins: from then on another one may have taken it, which the cache answers. Nobody leads then if it
    /// answers none. That costs no price, for a record gets to orders by way of the cache alone, and they go on with the one
    /// that they hold until it expires; what is lost is the history of that time. When the cache is back the lease is taken
    /// in the next slot, and the record is written in the same one.
    pub(crate) fn hear(&mut self, answer: Option<Lease>, asked: Instant) -> bool {
        let led = self.leads();
        let Some(lease) = answer else {
            // Slots are not exactly so far apart.
            if self.until.is_some_and(|until| until <= asked + self.slot / 2) {
                tracing::warn!("it is not known any more who leads: this instance stops asking the sources");
                (self.until, self.holder) = (None, None);
            }
            return false;
        };
        self.until = (lease.holder == self.me).then(|| asked + self.ttl());
        match (led, self.leads()) {
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
        self.leads() && !led
    }
}

#[cfg(test)]
mod tests;
