//! Leases: which of several instances does what only one may do.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use crate::{api::FieldError, time::Timestamp};

/// Longest name of a lease and of a holder, in bytes.
pub const MAX_NAME: usize = 100;
/// Longest time that a lease is given for at once, in seconds.
pub const MAX_LEASE_SECS: u64 = 3600;

/// What somebody who wants a lease, or wants to keep it, asks.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
#[oai(rename = "AskLease")]
pub struct LeaseRequest {
    /// What only one may do at a time.
    pub name: String,
    /// Who asks: different for every process, also after a restart.
    pub holder: String,
    /// From now on, in seconds: 1 to 3600.
    pub ttl_secs: u64,
}

impl LeaseRequest {
    /// Each field that is not allowed.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        for (field, text) in [("name", &self.name), ("holder", &self.holder)] {
            if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                let reason = format!("must be 1 to {MAX_NAME} visible ASCII characters with no space");
                errors.push(FieldError::new(field, reason));
            }
        }
        if !(1..=MAX_LEASE_SECS).contains(&self.ttl_secs) {
            errors.push(FieldError::new("ttl_secs", format!("must be from 1 to {MAX_LEASE_SECS}")));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Who holds a lease: not always who asked.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Lease {
    pub name: String,
    pub holder: String,
    /// When it is free for anybody, unless its holder renews it; by the clock of price-cache-proxy. A holder counts its own
    /// time from before it asked.
    pub expires_at: Timestamp,
}

#[cfg(test)]
mod tests;
