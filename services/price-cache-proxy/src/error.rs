//! The failures of price-cache-proxy, and the only place that maps them to responses.

use common::api::{Code, FieldError, Problem};

use crate::{limits::MAX_EVENT_READERS, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// 422.
    #[error("a field has a value that is not allowed")]
    InvalidFields(Vec<FieldError>),
    /// 503: another reader has to disconnect first.
    #[error("all {MAX_EVENT_READERS} event streams are in use")]
    TooManyReaders,
    /// 503: the client may retry, because every operation of the store is idempotent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidFields(errors) => Self::validation(errors),
            Error::TooManyReaders => Self::new(
                Code::Overloaded,
                format!("All {MAX_EVENT_READERS} event streams are in use. Poll /record and /board instead."),
            ),
            // The store logs outages. Failed requests are not logged here.
            Error::Store(StoreError::Unavailable { .. } | StoreError::Timeout { .. } | StoreError::Unreadable(_)) => {
                Self::new(Code::CacheUnavailable, "The price cache is unavailable.")
            }
        }
    }
}
