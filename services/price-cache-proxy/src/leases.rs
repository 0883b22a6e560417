//! Leases: of several instances that may do something one by one, which one does.

use std::time::Duration;

use common::{
    api::leases::{Lease, LeaseRequest},
    time::Timestamp,
};

use crate::{error::Error, store::Store};

pub(crate) struct LeaseService(pub(crate) Store);

impl LeaseService {
    /// Gives the lease where it is free or the asker's own; tells who has it.
    pub(crate) async fn ask(&self, ask: LeaseRequest) -> Result<Lease, Error> {
        ask.validate().map_err(Error::Refused)?;
        // Before the store is asked: what is told ends no later than what is kept.
        let now = Timestamp::now();
        let held = self.0.lease(&ask.name, &ask.holder, Duration::from_secs(ask.ttl_secs)).await?;
        Ok(Lease { name: ask.name, holder: held.holder, expires_at: now.plus(held.left) })
    }
}
