//! The limits of the HTTP side.

use std::time::Duration;

/// Maximum size of a request body in bytes. An order takes 60 bytes, a batch of orders about 100 KiB.
pub const MAX_BODY: usize = 1024 * 1024;
/// How many bytes of an oversized body are read and discarded, so that the client receives the response.
pub const MAX_DRAINED: u64 = 16 * 1024 * 1024;
/// Deadline for receiving a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Deadline of a request. The calls that handlers make have shorter deadlines.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be idle.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a stopping service waits for requests in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Maximum number of clients with a rate limit of their own.
pub const MAX_RATE_LIMITED_CLIENTS: usize = 100_000;
