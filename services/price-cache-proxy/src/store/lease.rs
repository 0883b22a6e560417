//! The state of a lease.

use std::time::Duration;

/// The holder of a lease, and the time until the lease expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseState {
    pub holder: String,
    pub remaining: Duration,
}
