//! Why a request that a service sends in a batch received no decision.

use std::sync::Arc;

use super::CallError;
use crate::concurrency::batching::BatchError;

/// Why a request received no decision from the service that decides it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DispatchError {
    #[error("too many requests are waiting")]
    QueueFull,
    #[error("the service is shutting down")]
    ShuttingDown,
    /// The call failed, and the request certainly had no effect.
    #[error(transparent)]
    Call(Arc<CallError>),
    /// This request had no effect, and the key of the client was not looked up. An earlier request with the key may have had one.
    #[error("the idempotency key was not looked up: {0}")]
    KeyNotLookedUp(#[source] Box<DispatchError>),
    /// A call that contained the request got no valid response. The request may have taken effect.
    #[error("it is unknown whether the request took effect")]
    OutcomeUnknown,
}

impl DispatchError {
    /// The error of a request whose key the client has chosen. Only a lookup of the key shows whether an earlier request with it
    /// took effect.
    #[must_use]
    pub fn with_client_key(self) -> Self {
        match self {
            Self::OutcomeUnknown | Self::KeyNotLookedUp(_) => self,
            Self::QueueFull | Self::ShuttingDown | Self::Call(_) => Self::KeyNotLookedUp(Box::new(self)),
        }
    }
}

impl From<BatchError> for DispatchError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Full => Self::QueueFull,
            BatchError::Stopped => Self::ShuttingDown,
            BatchError::NoResponse => Self::OutcomeUnknown,
        }
    }
}
