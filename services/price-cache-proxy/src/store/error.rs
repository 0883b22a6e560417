//! The failures of a store.

use common::error_chain::format_chain;

/// Why an operation failed. All operations are idempotent, so each may be retried.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("Redis is unavailable: {}", format_chain(.0))]
    Unavailable(redis::RedisError),
    #[error("Redis did not respond in time")]
    Timeout,
    /// Another program wrote an invalid document to the key, or the new document cannot be serialized.
    #[error("the document cannot be parsed or serialized")]
    Unreadable(#[source] serde_json::Error),
}
