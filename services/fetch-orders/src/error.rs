//! The failures of fetch-orders, and the only place where they become statuses.

use common::{
    api::{Code, Problem},
    batch::BatchError,
    clients::CallError,
    ids::OrderId,
};

use crate::lookup::LookupError;

/// Why orders were not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no order {0}")]
    NoSuchOrder(OrderId),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchOrder(id) => Self::new(Code::NotFound, format!("There is no order {id}.")),
            Error::Call(error) => unread(&error),
            Error::Lookup(LookupError::Call(error)) => unread(&error),
            Error::Lookup(LookupError::Batch(BatchError::Full)) => {
                Self::new(Code::Overloaded, "Too much is asked for already; try again in a moment.")
            }
            Error::Lookup(LookupError::Batch(BatchError::Stopped | BatchError::Lost)) => {
                Self::new(Code::ShuttingDown, "The service is going down.")
            }
        }
    }
}

fn unread(error: &CallError) -> Problem {
    tracing::warn!(error = %error.chain(), "orders could not be read");
    error.to_problem(Code::UpstreamUnavailable)
}
