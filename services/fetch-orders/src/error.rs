//! The failures of fetch-orders, and the only place where they become statuses.

use std::sync::Arc;

use common::{
    api::{Code, Problem},
    clients::CallError,
    concurrency::batching::BatchError,
    ids::OrderId,
};

/// Why it is not known what there is; many may share it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Call(Arc<CallError>),
}

/// Why orders were not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no order {0}")]
    NoSuchOrder(OrderId),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchOrder(id) => Self::new(Code::NotFound, format!("There is no order {id}.")),
            Error::Call(error) => unread(&error),
            Error::Read(ReadError::Call(error)) => unread(&error),
            Error::Read(ReadError::Batch(BatchError::Full)) => {
                Self::new(Code::Overloaded, "Too much is asked for already; try again in a moment.")
            }
            Error::Read(ReadError::Batch(BatchError::Stopped | BatchError::NoResponse)) => {
                Self::new(Code::ShuttingDown, "The service is going down.")
            }
        }
    }
}

fn unread(error: &CallError) -> Problem {
    tracing::warn!(error = %error.chain(), "orders could not be read");
    error.to_problem(Code::UpstreamUnavailable)
}
