//! The store that the instances of a service share.

use std::{fmt, num::NonZeroU32, time::Duration};

use async_trait::async_trait;

use crate::server::rate_limit::client_states::ClientId;

/// Counts the use of each client at all instances.
#[async_trait]
pub(crate) trait AllowanceStore: Send + Sync {
    /// Takes requests from the remaining limit of a client.
    async fn draw(&self, key: StoreKey, request: &DrawRequest) -> Result<Draw, StoreError>;

    /// Registers this instance for some seconds, and returns the number of registered instances.
    async fn register(&self) -> Result<NonZeroU32, StoreError>;

    /// Ends the registration of this instance.
    async fn deregister(&self) -> Result<(), StoreError>;
}

/// Identifies requests that are counted together. Its text form is the end of the key in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StoreKey {
    pub limit_name: &'static str,
    pub client: ClientId,
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.limit_name, self.client)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrawRequest {
    /// The requests per minute at all instances together.
    pub limit: NonZeroU32,
    /// Maximum number of requests to draw.
    pub requested: u32,
    /// If this draw leaves no request, the number of requests that must be free before the next draw.
    pub chunk: u32,
    /// The epoch of the store to which this instance has reported its use. 0 before the first draw.
    pub epoch: u64,
    /// Requests that this instance accepted without the store and has not reported.
    pub unreported: u32,
    /// The unreported requests that still count, in millionths. The store adds them to the use of the client.
    pub unreported_microrequests: u64,
    /// An estimate of the use at all instances that still counts, in millionths. It assumes that each instance has
    /// accepted as many requests as this instance. If `epoch` is not 0 and differs from the epoch of the store, the
    /// store has lost its data. The store then counts at least this estimate, up to the limit.
    pub estimated_microrequests: u64,
}

/// The reply of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draw {
    /// How many of the requests were granted. They count as used.
    pub granted: u32,
    /// How many requests remain in the store.
    pub remaining: u32,
    /// The time until `chunk` requests are free. Zero if they are free now.
    pub refill: Duration,
    /// Changes when the store loses its data.
    pub epoch: u64,
    /// The number of registered instances.
    pub instances: u32,
}

/// Why a call of the store failed. The store possibly executed the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("Redis is unavailable")]
    Unavailable(#[from] redis::RedisError),
    #[error("Redis did not respond in time")]
    Timeout,
}
