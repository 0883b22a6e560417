//! Why a store did not do its work.

/// Why a store did not do its work. Trying again is safe: every operation comes to the same when done twice.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("Redis cannot be used")]
    Unavailable(#[source] redis::RedisError),
    #[error("Redis did not answer in time")]
    Timeout,
    /// What lies in Redis was written by something else.
    #[error("the document in Redis cannot be read")]
    Unreadable(#[source] serde_json::Error),
}
