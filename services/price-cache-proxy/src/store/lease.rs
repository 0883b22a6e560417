//! Leases as a store tells of them.

use std::time::Duration;

/// Who holds a lease, and for how long from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder {
    pub holder: String,
    pub left: Duration,
}
