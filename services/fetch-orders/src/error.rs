//! The errors of fetch-orders. Only this module converts them to HTTP statuses.

use common::{
    api::{Code, FieldError, Problem, Subcode},
    clients::{CallError, SharedReadError},
    ids::OrderId,
};

/// Why a request for orders failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 422, with every invalid parameter.
    #[error("the filter has invalid parameters")]
    InvalidFilter(Vec<FieldError>),
    /// 403: only an operator or the user may select the orders of a user.
    #[error("the orders of another user were requested")]
    OrdersOfAnotherUser,
    /// 404. The order does not exist, or the caller may not see it.
    #[error("order {0} does not exist")]
    OrderNotFound(OrderId),
    /// 503: db-proxy is unavailable, refuses the token of this service, or sends an invalid response. 500 if db-proxy
    /// responds with any other error.
    #[error(transparent)]
    Call(#[from] CallError),
    /// 503: as for [`Call`](Self::Call), or too many requests are waiting, or the service is shutting down. 500 if
    /// db-proxy responds with any other error.
    #[error(transparent)]
    Read(#[from] SharedReadError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidFilter(errors) => Self::validation(errors),
            Error::OrdersOfAnotherUser => Self {
                subcode: Some(Subcode::OperatorsOnly),
                ..Self::new(
                    Code::Forbidden,
                    "Only an operator can read the orders of another user. Omit the parameter user to read your own orders.",
                )
            },
            Error::OrderNotFound(id) => Self::new(Code::NotFound, format!("Order {id} does not exist.")),
            Error::Call(error) => read_problem(&error),
            Error::Read(error) => error.into_problem("orders", read_problem),
        }
    }
}

fn read_problem(error: &CallError) -> Problem {
    tracing::warn!(error = %error.chain(), "orders could not be read from db-proxy");
    error.to_problem(Code::UpstreamUnavailable)
}
