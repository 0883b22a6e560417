//! The errors of the service `users`. Only this module converts them to HTTP statuses.

use std::time::Duration;

use common::{
    api::{Code, FieldError, Problem, keys::MAX_KEYS_PER_USER, users::Email},
    clients::{
        CallError, SharedReadError,
        db_proxy::{DbProxyClient, DirectoryError},
        with_denial,
    },
    ids::{KeyId, UserId},
};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 422, with the invalid fields.
    #[error("the request has invalid fields")]
    Invalid(Vec<FieldError>),
    /// 404. Also returned if a user requests another user, so the response does not disclose that the other user exists.
    #[error("user {0} does not exist")]
    UserNotFound(UserId),
    /// 404.
    #[error("the user has no key {0}")]
    KeyNotFound(KeyId),
    /// 409.
    #[error("another user has this e-mail address")]
    EmailTaken(Email),
    /// 409.
    #[error("the user has the maximum number of keys")]
    TooManyKeys,
    /// 409: a revoked key cannot be changed.
    #[error("the key {0} is revoked")]
    KeyRevoked(KeyId),
    /// 500. Prefixes are random, so several taken prefixes in a row mean that the generator is faulty.
    #[error("every generated prefix belongs to another key")]
    NoFreePrefix,
    /// 503: db-proxy is unavailable, too many requests are waiting, or the service is shutting down. 500 if db-proxy
    /// reports an internal error.
    #[error(transparent)]
    Lookup(#[from] SharedReadError),
    /// 503: db-proxy is unavailable or did not respond. 500 if it reports an internal error.
    #[error(transparent)]
    Call(#[from] CallError),
    /// 503: db-proxy is unavailable, and the change was not made. 500 if it reports an internal error.
    #[error("the change was not made")]
    NotChanged(Change, #[source] CallError),
    /// 503: it is not known whether the change was made, for example because db-proxy or the database did not respond.
    #[error("it is not known whether the change was made")]
    OutcomeUnknown(Change, #[source] CallError),
}

/// A change of a user or of a key. It determines the sentence about the outcome if the request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    CreateUser,
    /// A new e-mail address, name or state of a user.
    UpdateUser,
    CreateKey,
    /// A new name or limit of a key, or its revocation.
    UpdateKey,
}

impl Change {
    /// States that the change was not made.
    fn denial(self) -> &'static str {
        match self {
            Self::CreateUser => "No user was created.",
            Self::UpdateUser => "The user was not changed.",
            Self::CreateKey => "No key was created.",
            Self::UpdateKey => "The key was not changed.",
        }
    }

    /// States that the outcome is unknown, and how the client can find it out.
    fn unknown_outcome(self) -> &'static str {
        match self {
            Self::CreateUser => {
                "It is not known whether the user was created. Send the request again. If the response is email_taken, find the user \
                 by its address."
            }
            Self::UpdateUser => {
                "It is not known whether the user was changed. Read the user, or send the request again: repeating it is safe."
            }
            Self::CreateKey => {
                "It is not known whether the key was stored, and its secret is lost. Create another key. If the list of keys contains \
                 the key whose secret is lost, revoke it."
            }
            Self::UpdateKey => {
                "It is not known whether the key was changed. List the keys of the user, or send the request again: repeating it is safe."
            }
        }
    }
}

impl Error {
    /// Converts the error of a change, except a taken e-mail address. `key` is the API key that the request names, if any.
    pub fn from_directory(error: DirectoryError, change: Change, user: UserId, key: Option<KeyId>) -> Self {
        match (error, key) {
            (DirectoryError::KeyNotFound, Some(key)) => Self::KeyNotFound(key),
            (DirectoryError::KeyRevoked, Some(key)) => Self::KeyRevoked(key),
            (DirectoryError::UserNotFound | DirectoryError::KeyNotFound, _) => Self::UserNotFound(user),
            // db-proxy sends these refusals only if the request names a key or an address.
            (error @ DirectoryError::KeyRevoked, None) | (error @ DirectoryError::EmailTaken, _) => {
                Self::Call(DbProxyClient::invalid_response(error))
            }
            (DirectoryError::TooManyKeys, _) => Self::TooManyKeys,
            (DirectoryError::PrefixTaken, _) => Self::NoFreePrefix,
            (DirectoryError::Call(error), _) => Self::NotChanged(change, error),
            (DirectoryError::OutcomeUnknown(error), _) => Self::OutcomeUnknown(change, error),
        }
    }
}

/// How long a client should wait before it repeats a request whose outcome is not known.
const RETRY_AFTER_UNKNOWN: Duration = Duration::from_secs(5);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(errors) => Self::validation(errors),
            Error::UserNotFound(id) => Self::new(Code::NotFound, format!("User {id} does not exist.")),
            Error::KeyNotFound(id) => Self::new(Code::NotFound, format!("The user has no key {id}.")),
            Error::EmailTaken(email) => {
                let detail = format!(
                    "Another user has the e-mail address \"{email}\". Addresses are compared without regard to case."
                );
                Self {
                    errors: vec![FieldError::new("email", format!("\"{email}\" belongs to another user"))],
                    ..Self::new(Code::EmailTaken, detail)
                }
            }
            Error::TooManyKeys => {
                let detail = format!(
                    "The user has {MAX_KEYS_PER_USER} keys that are not revoked, which is the maximum. Revoke one that is not used."
                );
                Self::new(Code::KeyLimitExceeded, detail)
            }
            Error::KeyRevoked(id) => {
                let detail = format!("The key {id} is revoked, so it cannot be changed. Create another key.");
                Self::new(Code::KeyRevoked, detail)
            }
            Error::NoFreePrefix => {
                tracing::error!("every generated prefix belongs to another key; no key was created");
                Self::internal()
            }
            Error::Lookup(error) => error.into_problem("users", call_problem),
            Error::Call(error) => call_problem(&error),
            Error::NotChanged(change, error) => with_denial(call_problem(&error), change.denial()),
            Error::OutcomeUnknown(change, error) => {
                tracing::warn!(error = %error.chain(), ?change, "it is not known whether db-proxy made a change");
                Self::new(Code::OutcomeUnknown, change.unknown_outcome()).retry_after(RETRY_AFTER_UNKNOWN)
            }
        }
    }
}

fn call_problem(error: &CallError) -> Problem {
    tracing::warn!(error = %error.chain(), "a call of db-proxy failed");
    error.to_problem(Code::UpstreamUnavailable)
}
