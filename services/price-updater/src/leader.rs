//! Which of several instances asks the sources: one at a time, so that replicas never double what the sources see.

use std::time::Duration;

use common::api::leases::Lease;

/// The name of the lease.
pub(crate) const LEASE: &str = "price-updater";
/// For how long it is taken. It is renewed each slot, so that another one takes over so long after this one is gone.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(10);

/// Whether this instance leads.
#[derive(Debug)]
pub(crate) struct Leader {
    /// Different for every process, also after a restart.
    pub(crate) me: String,
    leads: bool,
    /// Who held the lease when the cache answered last.
    holder: Option<String>,
}

impl Leader {
    pub(crate) fn new(me: String) -> Self {
        Self { me, leads: false, holder: None }
    }

    pub(crate) fn leads(&self) -> bool {
        self.leads
    }

    /// The other one that leads.
    pub(crate) fn other(&self) -> Option<&str> {
        self.holder.as_deref().filter(|_| !self.leads)
    }

    /// Takes in how asking for the lease ended. While the cache does not answer, who held it goes on and who did not
    /// stands by: nobody else can have taken it. Whether this instance begins to lead now.
    pub(crate) fn hear(&mut self, answer: Option<Lease>) -> bool {
        let Some(lease) = answer else { return false };
        let led = std::mem::replace(&mut self.leads, lease.holder == self.me);
        match (led, self.leads) {
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
        self.leads && !led
    }
}

#[cfg(test)]
mod tests {
    use common::time::Timestamp;

    use super::*;

    fn held_by(holder: &str) -> Lease {
        Lease { name: LEASE.to_owned(), holder: holder.to_owned(), expires_at: Timestamp::now() }
    }

    #[test]
    fn who_holds_the_lease_leads_and_goes_on_while_nobody_answers() {
        let mut leader = Leader::new("a".to_owned());
        assert!(!leader.hear(None) && !leader.leads(), "who was never told stands by");
        assert!(!leader.hear(Some(held_by("b"))) && !leader.leads());
        assert_eq!(leader.other(), Some("b"));
        assert!(!leader.hear(None) && !leader.leads());
        assert!(leader.hear(Some(held_by("a"))) && leader.leads());
        assert!(!leader.hear(Some(held_by("a"))) && !leader.hear(None) && leader.leads());
        assert!(!leader.hear(Some(held_by("b"))) && !leader.leads());
        assert!(leader.hear(Some(held_by("a"))));
    }
}
