//! The failures of fetch-orders, and the only place where they become statuses.

use common::{
    api::{Code, Problem},
    clients::CallError,
    ids::OrderId,
};

/// Why orders were not shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no order {0}")]
    NoSuchOrder(OrderId),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchOrder(id) => Self::new(Code::NotFound, format!("There is no order {id}.")),
            Error::Call(error) => {
                tracing::warn!(%error, "orders could not be read");
                error.to_problem(Code::UpstreamUnavailable)
            }
        }
    }
}
