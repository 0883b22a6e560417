//! Leases. A lease has one holder at a time, and only the holder does the work that the lease is named after.

use std::time::Duration;

use common::{
    api::leases::{Lease, LeaseRequest},
    time::Timestamp,
};

use crate::{error::Error, store::Store};

pub(crate) struct LeaseService(pub(crate) Store);

impl LeaseService {
    /// Grants or renews the lease, unless another holder has it. Returns the holder.
    pub(crate) async fn acquire(&self, request: LeaseRequest) -> Result<Lease, Error> {
        request.validate().map_err(Error::InvalidFields)?;
        let LeaseRequest { name, holder, ttl_secs } = request;
        // Taken before the call, so that the reported end is never later than the real one.
        let now = Timestamp::now();
        let current = self.0.acquire_lease(&name, &holder, Duration::from_secs(ttl_secs)).await?;
        Ok(Lease { name, holder: current.holder, expires_at: now.plus(current.remaining) })
    }
}
