//! The failures of a store.

use common::error_chain::format_chain;

/// Why an operation failed. All operations are idempotent, so each may be retried.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `server` is the address of Redis without the password.
    #[error("Redis at {server} is unavailable: {}", format_chain(cause))]
    Unavailable { server: String, cause: redis::RedisError },
    #[error("Redis at {server} did not respond in time")]
    Timeout { server: String },
    /// Another program wrote an invalid document to the key, or the new document cannot be serialized.
    #[error("the document cannot be parsed or serialized")]
    Unreadable(#[source] serde_json::Error),
}
