//! What can go wrong here, and which status that is.

use common::api::{Code, FieldError, Problem};

use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("what was sent must not be kept")]
    Refused(Vec<FieldError>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(errors) => Self::validation(errors),
            // The store has logged the cause, once for all requests that met it.
            Error::Store(StoreError::Unavailable(_) | StoreError::Timeout | StoreError::Unreadable(_)) => {
                Self::new(Code::CacheUnavailable, "The price cache does not answer; try again in a moment.")
            }
        }
    }
}
