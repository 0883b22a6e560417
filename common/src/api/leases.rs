//! Leases: named locks with a TTL. The holder of the lease for polling is the only instance of price-updater that polls
//! sources. Each of the other leases stores the backoff of a source.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use crate::{api::FieldError, time::Timestamp};

/// Maximum length of the names of leases and holders.
pub const MAX_NAME_BYTES: usize = 100;
/// Maximum duration of a lease in seconds. A holder may renew its lease.
pub const MAX_LEASE_SECS: u64 = 3600;

/// A request to acquire or renew a lease.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// The name of the lease.
    pub name: String,
    /// Identifies the holder. In the lease for polling, this is the id of the instance, which is different for each process and
    /// after each restart. In the lease for the backoff of a source, this is the time at which the backoff ends.
    pub holder: String,
    /// The duration in seconds from now: 1 to 3600.
    #[oai(validator(minimum(value = "1"), maximum(value = "3600")))]
    pub ttl_secs: u64,
}

impl LeaseRequest {
    /// Returns each invalid field.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        for (field, text) in [("name", &self.name), ("holder", &self.holder)] {
            if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                let reason = format!("must be 1 to {MAX_NAME_BYTES} visible ASCII characters without spaces");
                errors.push(FieldError::new(field, reason));
            }
        }
        if !(1..=MAX_LEASE_SECS).contains(&self.ttl_secs) {
            errors.push(FieldError::new(
                "ttl_secs",
                format!("must be a whole number from 1 to {MAX_LEASE_SECS}, but is {}", self.ttl_secs),
            ));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// The current lease. Its holder may differ from the holder in the request.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    /// When the lease expires unless it is renewed, by the clock of price-cache-proxy. A holder must not compare this time with
    /// its own clock. It must use its own deadline: the time just before it sent the request, plus `ttl_secs`.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests;
