//! The failures of db-proxy, and the only place where they become statuses.

use std::time::Duration;

use common::api::{Code, FieldError, Problem};

use crate::{
    store::StoreError,
    writer::{MAX_UNAVAILABLE, WriteError},
};

/// Why a request of another service was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no such order")]
    NoSuchOrder,
    #[error("a field is wrong")]
    Invalid(Vec<FieldError>),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Write(WriteError::QueueFull) => {
                Self::new(Code::Overloaded, "Too many orders wait already; none of this request was taken.")
            }
            Error::Write(WriteError::DatabaseUnavailable) => {
                Self::new(Code::DatabaseUnavailable, "The database is away; the order was not placed.")
                    .retry_after(MAX_UNAVAILABLE)
            }
            Error::Write(WriteError::Indeterminate) => Self::new(
                Code::OutcomeUnknown,
                "The database went away while the order was being stored. Send it again with the same Idempotency-Key: \
                 it will be placed once, whatever happened now.",
            )
            .retry_after(Duration::from_secs(5)),
            Error::Write(WriteError::Stopped) => Self::new(Code::ShuttingDown, "The service is going down."),
            Error::Write(WriteError::Fault) => Self::internal(),
            Error::Store(error @ (StoreError::Unavailable(_) | StoreError::TimedOut)) => {
                tracing::warn!(error = %error.chain(), "the database cannot be read");
                Self::new(Code::DatabaseUnavailable, "The database is away; try again in a moment.")
                    .retry_after(MAX_UNAVAILABLE)
            }
            Error::Store(error @ (StoreError::Fault(_) | StoreError::Corrupt(_) | StoreError::Migration(_))) => {
                tracing::error!(error = %error.chain(), "the database refused");
                Self::internal()
            }
            Error::NoSuchOrder => Self::new(Code::NotFound, "There is no order of this id."),
            Error::Invalid(errors) => Self::validation(errors),
        }
    }
}
