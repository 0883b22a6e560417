//! Leases: named locks with a TTL. A lease has one holder at a time.

use std::time::Duration;

use common::{
    api::leases::{Lease, LeaseRequest},
    time::Clock,
};

use crate::{error::Error, store::Store};

pub(crate) struct LeaseService {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

impl LeaseService {
    /// Grants or renews the lease, unless another holder has it. Returns the current lease with its holder.
    pub(crate) async fn acquire(&self, request: LeaseRequest) -> Result<Lease, Error> {
        request.validate().map_err(Error::InvalidFields)?;
        let LeaseRequest { name, holder, ttl_secs } = request;
        // The clock is read before the call, so that `expires_at` is never later than the actual expiry.
        let now = self.clock.now();
        let current = self.store.acquire_lease(&name, &holder, Duration::from_secs(ttl_secs)).await?;
        Ok(Lease { name, holder: current.holder, expires_at: now.plus(current.remaining) })
    }
}
