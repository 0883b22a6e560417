//! The errors of db-proxy, and the only place where they become HTTP statuses.

use std::time::Duration;

use common::api::{Code, FieldError, Problem};

use crate::{
    clock_check::ClockFault,
    database::DatabaseError,
    group_commit::{MAX_UNAVAILABLE, WriteError},
};

/// When a client may retry an order whose outcome is unknown.
const INDETERMINATE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// When a client may retry while the clock is wrong.
const RETRY_AFTER_CLOCK_FAULT: Duration = Duration::from_secs(30);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 503, because a retry may succeed; 500 for [`WriteError::Internal`].
    #[error(transparent)]
    Write(#[from] WriteError),
    /// 503 if a retry may succeed; 500 otherwise.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// 404.
    #[error("no order has this id")]
    OrderNotFound,
    /// 422, with the name of each invalid field.
    #[error("the request is invalid")]
    Invalid(Vec<FieldError>),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Write(WriteError::QueueFull) => {
                Self::new(Code::Overloaded, "The queue of orders is full. This request stored nothing.")
            }
            Error::Write(WriteError::Unavailable) => {
                Self::new(Code::DatabaseUnavailable, "The database is unavailable. This request stored nothing.")
                    .retry_after(MAX_UNAVAILABLE)
            }
            // The database has not answered since the start, or not yet. That says nothing about a clock.
            Error::Write(WriteError::Clock(ClockFault::Unchecked))
            | Error::Database(DatabaseError::Clock(ClockFault::Unchecked)) => {
                Self::new(Code::DatabaseUnavailable, "The database has not answered yet. This request stored nothing.")
                    .retry_after(MAX_UNAVAILABLE)
            }
            Error::Write(WriteError::Clock(_)) | Error::Database(DatabaseError::Clock(_)) => Self::new(
                Code::DatabaseUnavailable,
                "Nothing can be stored at the moment, because the clock of a server is wrong.",
            )
            .retry_after(RETRY_AFTER_CLOCK_FAULT),
            Error::Write(WriteError::Indeterminate) => Self::new(
                Code::OutcomeUnknown,
                "The database became unavailable while the order was being stored. Send the order again with the same \
                 Idempotency-Key. The order is placed only once, even if it was stored now.",
            )
            .retry_after(INDETERMINATE_RETRY_AFTER),
            Error::Write(WriteError::ShuttingDown) => Self::new(Code::ShuttingDown, "The service is shutting down."),
            Error::Write(WriteError::Internal) => Self::internal(),
            Error::Database(error) if error.is_transient() => {
                if error.is_logged_at_its_cause() {
                    tracing::debug!(error = %error.chain(), "the database is unavailable");
                } else {
                    tracing::warn!(error = %error.chain(), "the database is unavailable");
                }
                Self::new(Code::DatabaseUnavailable, "The database is unavailable. Try again in a moment.")
                    .retry_after(MAX_UNAVAILABLE)
            }
            Error::Database(error) => {
                tracing::error!(error = %error.chain(), "a database operation failed");
                Self::internal()
            }
            Error::OrderNotFound => Self::new(Code::NotFound, "No order has this id."),
            Error::Invalid(errors) => Self::validation(errors),
        }
    }
}

#[cfg(test)]
mod tests;
