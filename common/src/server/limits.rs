//! The limits of the HTTP server.

use std::time::Duration;

/// Maximum size of a request body in bytes. An order takes about 60 bytes, a batch of orders about 100 KiB.
pub const MAX_BODY: usize = 1024 * 1024;
/// How many bytes of an oversized body are read and discarded, so that the client receives the response.
pub const MAX_DRAINED: u64 = 16 * 1024 * 1024;
/// Deadline for receiving a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Deadline of a request. The calls that handlers make have shorter deadlines.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may wait for its next request. The HTTP clients of the services keep idle connections for a
/// shorter time, so that the client and not the server closes an idle connection.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a stopping service keeps connections without a request. A request that arrives in this time is answered,
/// and its response closes the connection. So a request that was sent at the moment of the stop is not lost.
pub const CLOSE_DELAY: Duration = Duration::from_millis(50);
/// How long a stopping service waits for requests in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Maximum number of clients whose requests one counter of a rate limit stores. Clients without recent requests are
/// dropped first.
pub const MAX_RATE_LIMITED_CLIENTS: usize = 100_000;
/// Deadline for receiving the head of a request, counted from its first byte. For the first request of a connection,
/// the deadline is counted from the time at which the connection was accepted.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of the head of a request in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// Deadline for a client to receive [`MIN_WRITE_PROGRESS`] bytes while more bytes wait to be sent.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many bytes a client must receive within [`WRITE_TIMEOUT`]: about 2 KiB per second.
pub const MIN_WRITE_PROGRESS: usize = 64 * 1024;
/// Maximum of `SHUTDOWN_DELAY_SECS`.
pub const MAX_SHUTDOWN_DELAY_SECS: u64 = 300;
/// Default of `MAX_CONNECTIONS`.
pub const DEFAULT_MAX_CONNECTIONS: usize = 2048;
/// How many connections above the maximum are refused with a response at the same time. Further connections are closed
/// without a response.
pub const MAX_REFUSALS: usize = 16;
/// How long a refused client may take to read the response.
pub const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause after a connection could not be accepted, for example because no file descriptor is free.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// File descriptors that a service needs for its files and its database, in addition to those for clients and for calls
/// to other services.
pub const RESERVED_DESCRIPTORS: u64 = 64;
/// Minimum number of connections that each service must be able to serve. A process that can open too few files for
/// these connections does not start.
pub const MIN_CONNECTIONS: u64 = 16;
/// Size in bytes from which a response is compressed. Compression of a smaller response would save at most one packet,
/// which is not worth the time.
pub const MIN_COMPRESSED_BODY: u64 = 2048;
