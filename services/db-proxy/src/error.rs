//! The errors of db-proxy. Only this module converts them to HTTP statuses.

use std::time::Duration;

use common::api::{
    Code, FieldError, Problem,
    keys::{KEY_ID_FIELD, MAX_KEYS_PER_USER, PREFIX_FIELD},
    users::USER_ID_FIELD,
    wallets::WALLET_ID_FIELD,
};

use crate::{
    clock_check::ClockFault,
    database::DatabaseError,
    group_commit::{MAX_UNAVAILABLE, WriteError},
};

/// The time after which a client may retry a request whose outcome is unknown.
const INDETERMINATE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The time after which a client may retry while the clock is wrong.
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
    /// 503, because the command may be stored. The cause is a defect of the policy or of the stored rows.
    #[error("the result of a command does not have the requested kind")]
    UnexpectedResult,
    /// 404.
    #[error("no order has this id")]
    OrderNotFound,
    /// 404: the client of db-proxy recognizes this error by the field that the response names.
    #[error("no wallet of the owner has this id")]
    WalletNotFound,
    /// 422: the idempotency key was used for a wallet in another currency. The service `wallets` recognizes this error
    /// by its code.
    #[error("the key of a new wallet was used for a different wallet")]
    WalletKeyReused,
    /// 404, 409 or 422; see [`DirectoryRefusal`].
    #[error(transparent)]
    Directory(#[from] DirectoryRefusal),
    /// 422, with the name of each invalid field.
    #[error("the request is invalid")]
    Invalid(Vec<FieldError>),
}

/// Why a request for a user or an API key is refused. The client of db-proxy recognizes each refusal by the code of the
/// response, and refusals with the code `not_found` or `validation_failed` also by the field that the response names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryRefusal {
    /// 404.
    #[error("no user has this id")]
    UserNotFound,
    /// 404.
    #[error("the user has no key with this id")]
    KeyNotFound,
    /// 404.
    #[error("no key has this prefix")]
    PrefixNotFound,
    /// 409.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// 409, because the same request may succeed after a key was revoked.
    #[error("the user has {MAX_KEYS_PER_USER} keys that are not revoked")]
    TooManyKeys,
    /// 409. A revocation is final, and a revoked key cannot be changed.
    #[error("the key is revoked")]
    KeyRevoked,
    /// 422. The service `users` generates another API key.
    #[error("another key has this prefix")]
    PrefixTaken,
}

impl From<ClockFault> for Error {
    fn from(fault: ClockFault) -> Self {
        Self::Database(fault.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Write(WriteError::QueueFull) => {
                Self::new(Code::Overloaded, "The queue of the writer is full. This request stored nothing.")
            }
            Error::Write(WriteError::Unavailable) => {
                Self::new(Code::DatabaseUnavailable, "The database is unavailable. This request stored nothing.")
                    .retry_after(MAX_UNAVAILABLE)
            }
            // The database has not answered since the start, so nothing is known about the clock yet.
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
                "The database became unavailable while the request was being stored. Send it again with the same \
                 Idempotency-Key. It takes effect only once, even if this attempt stored it.",
            )
            .retry_after(INDETERMINATE_RETRY_AFTER),
            Error::Write(WriteError::ShuttingDown) => Self::new(Code::ShuttingDown, "The service is shutting down."),
            Error::Write(WriteError::Internal) => Self::internal(),
            Error::Database(error) if error.is_unanswered() => {
                log_outage(&error);
                Self::new(
                    Code::OutcomeUnknown,
                    "The database became unavailable. It is not known whether the request was stored.",
                )
                .retry_after(INDETERMINATE_RETRY_AFTER)
            }
            Error::Database(error) if error.is_transient() => {
                log_outage(&error);
                Self::new(Code::DatabaseUnavailable, "The database is unavailable. Try again in a moment.")
                    .retry_after(MAX_UNAVAILABLE)
            }
            Error::Database(error) => {
                tracing::error!(error = %error.chain(), "a database operation failed");
                Self::internal()
            }
            Error::UnexpectedResult => {
                tracing::error!("a command was decided, and its result does not have the requested kind");
                Self::new(
                    Code::OutcomeUnknown,
                    "The result of the request cannot be shown. It is not known whether the request was stored.",
                )
                .retry_after(INDETERMINATE_RETRY_AFTER)
            }
            Error::OrderNotFound => Self::new(Code::NotFound, "No order has this id."),
            Error::WalletNotFound => Self {
                errors: vec![FieldError::new(WALLET_ID_FIELD, "belongs to no wallet of the owner")],
                ..Self::new(Code::NotFound, "No wallet of the owner has this id.")
            },
            Error::WalletKeyReused => Self {
                errors: vec![FieldError::new("key", "was used for a different wallet")],
                ..Self::new(Code::KeyReused, "The key was used for a wallet in another currency.")
            },
            Error::Directory(refusal) => Self::from(refusal),
            Error::Invalid(errors) => Self::validation(errors),
        }
    }
}

fn log_outage(error: &DatabaseError) {
    if error.is_logged_at_its_cause() {
        tracing::debug!(error = %error.chain(), "the database is unavailable");
    } else {
        tracing::warn!(error = %error.chain(), "the database is unavailable");
    }
}

impl From<DirectoryRefusal> for Problem {
    fn from(refusal: DirectoryRefusal) -> Self {
        let absent = |field, detail: &'static str, reason: &str| Self {
            errors: vec![FieldError::new(field, reason)],
            ..Self::new(Code::NotFound, detail)
        };
        match refusal {
            DirectoryRefusal::UserNotFound => absent(USER_ID_FIELD, "No user has this id.", "belongs to no user"),
            DirectoryRefusal::KeyNotFound => {
                absent(KEY_ID_FIELD, "The user has no key with this id.", "belongs to no key of the user")
            }
            DirectoryRefusal::PrefixNotFound => absent(PREFIX_FIELD, "No key has this prefix.", "belongs to no key"),
            DirectoryRefusal::EmailTaken => Self {
                errors: vec![FieldError::new("email", "belongs to another user")],
                ..Self::new(Code::EmailTaken, "Another user has this e-mail address.")
            },
            DirectoryRefusal::TooManyKeys => Self::new(
                Code::KeyLimitExceeded,
                format!("The user has {MAX_KEYS_PER_USER} API keys that are not revoked. Revoke an API key first."),
            ),
            DirectoryRefusal::KeyRevoked => {
                Self::new(Code::KeyRevoked, "The API key is revoked, so it cannot be changed. Create another API key.")
            }
            DirectoryRefusal::PrefixTaken => {
                Self::validation(vec![FieldError::new(PREFIX_FIELD, "belongs to another key")])
            }
        }
    }
}

#[cfg(test)]
mod tests;
