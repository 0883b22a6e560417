//! Every limit of the edge, in one place.

use std::time::Duration;

/// Largest body that is read. An order needs 60 bytes, a group of orders about 100 KiB.
pub const MAX_BODY: usize = 1024 * 1024;
/// How much of a body that is too large is read and thrown away, so that the answer arrives.
pub const MAX_DRAINED: u64 = 16 * 1024 * 1024;
/// Longest time a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time a request may take in all. What handlers wait for has deadlines of its own, and those are shorter.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be silent.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long requests that are under way may go on after the service was told to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Most clients whose rates are remembered at once.
pub const MAX_RATE_LIMITED_CLIENTS: usize = 100_000;
