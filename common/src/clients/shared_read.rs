//! The errors of reads that several callers share: in a batch, or in one call for equal requests.

use std::sync::Arc;

use super::CallError;
use crate::{
    api::{Code, Problem},
    concurrency::{batching::BatchError, single_flight::SingleFlightError},
};

/// Why a shared read failed. Every caller of the read receives a clone.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SharedReadError {
    #[error("too many requests are waiting for a read")]
    Overloaded,
    #[error("the service is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Call(Arc<CallError>),
}

impl SharedReadError {
    /// The problem for the client. `subject` names what is read, such as `orders`. `of_call` is the problem of a failed call.
    pub fn into_problem(self, subject: &str, of_call: impl FnOnce(&CallError) -> Problem) -> Problem {
        match self {
            Self::Call(error) => of_call(&error),
            Self::Overloaded => Problem::new(
                Code::Overloaded,
                format!("Too many requests are waiting for {subject}. Try again in a moment."),
            ),
            Self::ShuttingDown => Problem::new(Code::ShuttingDown, "The service is shutting down."),
        }
    }
}

impl From<CallError> for SharedReadError {
    fn from(error: CallError) -> Self {
        Self::Call(Arc::new(error))
    }
}

impl From<BatchError> for SharedReadError {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Full => Self::Overloaded,
            BatchError::Stopped | BatchError::NoResponse => Self::ShuttingDown,
        }
    }
}

impl From<SingleFlightError> for SharedReadError {
    fn from(error: SingleFlightError) -> Self {
        match error {
            SingleFlightError::TooManyCallers => Self::Overloaded,
            SingleFlightError::NoResult => Self::ShuttingDown,
        }
    }
}
