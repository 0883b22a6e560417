//! What can go wrong here, and which status that is.

use common::api::{Code, FieldError, Problem};

use crate::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("what was sent must not be kept")]
    Refused(Vec<FieldError>),
    #[error("there are too many readers of events")]
    TooManyReaders,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(errors) => Self::validation(errors),
            Error::TooManyReaders => {
                Self::new(Code::Overloaded, "Too many readers are here already; ask for the documents instead.")
            }
            // The store has logged the cause, once for all requests that met it.
            Error::Store(StoreError::Unavailable(_) | StoreError::Timeout | StoreError::Unreadable(_)) => {
                Self::new(Code::CacheUnavailable, "The price cache does not answer; try again in a moment.")
            }
        }
    }
}
