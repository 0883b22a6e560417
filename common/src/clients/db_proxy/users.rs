//! The calls that concern users and API keys.

use std::time::Duration;

use bytes::Bytes;
use poem::http::Method;
use serde::{Serialize, de::DeserializeOwned};

use super::{DbProxyClient, READ_DEADLINE, unavailable_if_older};
use crate::{
    api::{
        Code,
        keys::{
            ApiKey, KEY_ID_FIELD, KeyList, KeyPrefix, KeyRecord, KeyUses, MAX_KEYS_PER_USER, PREFIX_FIELD,
            StoreKeyCommand, UpdateKeyCommand,
        },
        users::{
            CreateUserCommand, USER_ID_FIELD, UpdateUserCommand, User, UserCursor, UserLookup, UserPage, UserQuery,
        },
    },
    clients::{CallError, CallOutcome, Retry},
    ids::{KeyId, UserId},
};

const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// Deadline for reading the record of a key. A request of a customer waits for this call.
const KEY_DEADLINE: Duration = Duration::from_secs(5);

/// Why a user or a key was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("no user has this id")]
    UserNotFound,
    #[error("the user has no key with this id")]
    KeyNotFound,
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// The caller should generate another key.
    #[error("another key has this prefix")]
    PrefixTaken,
    #[error("the user has {MAX_KEYS_PER_USER} keys that are not revoked")]
    TooManyKeys,
    #[error("the key is revoked")]
    KeyRevoked,
    #[error(transparent)]
    Call(CallError),
    /// It is not known whether the request took effect. The error is the error of the last attempt.
    #[error("it is not known whether the request took effect")]
    OutcomeUnknown(#[source] CallError),
}

impl DirectoryError {
    /// The error of a request that writes. `unanswered` states whether an earlier attempt may have been received but got no response.
    fn of_write(error: CallError, unanswered: bool) -> Self {
        let is_unknown = match &error {
            CallError::Problem(_, problem) if problem.code == Code::OutcomeUnknown => true,
            // An earlier attempt possibly took effect, although the last attempt was refused.
            error => unanswered || error.may_have_taken_effect(),
        };
        match Self::from(error) {
            Self::Call(error) if is_unknown => Self::OutcomeUnknown(error),
            error => error,
        }
    }
}

/// A 404 or a 405 of a db-proxy without the endpoint becomes a 503, because such a db-proxy is about to be replaced.
impl From<CallError> for DirectoryError {
    fn from(error: CallError) -> Self {
        let CallError::Problem(_, problem) = &error else { return Self::Call(error) };
        let names = |field: &str| problem.errors.iter().any(|error| error.field == field);
        match problem.code {
            Code::EmailTaken => Self::EmailTaken,
            Code::KeyLimitExceeded => Self::TooManyKeys,
            Code::KeyRevoked => Self::KeyRevoked,
            // An older db-proxy has this path, but not this method.
            Code::MethodNotAllowed => Self::Call(DbProxyClient::being_upgraded()),
            Code::NotFound if names(USER_ID_FIELD) => Self::UserNotFound,
            Code::NotFound if names(KEY_ID_FIELD) || names(PREFIX_FIELD) => Self::KeyNotFound,
            Code::ValidationFailed if names(PREFIX_FIELD) => Self::PrefixTaken,
            _ => Self::Call(unavailable_if_older(error)),
        }
    }
}

impl DbProxyClient {
    /// Creates a user. A request that was possibly received is not repeated: after a success, the repetition would fail
    /// with [`DirectoryError::EmailTaken`].
    pub async fn create_user(&self, command: &CreateUserCommand) -> Result<User, DirectoryError> {
        self.write_with(Method::POST, "/users", Some(command), Retry::OnlyIfNotSent).await
    }

    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, CallError> {
        none_if_absent(self.read(&format!("/users/{id}")).await)
    }

    /// The users with these ids and addresses, as the JSON of [`FoundUsers`](crate::api::users::FoundUsers). Accepts at most
    /// [`MAX_USER_LOOKUP`](crate::api::users::MAX_USER_LOOKUP) ids and the same number of addresses.
    pub async fn find_users_json(&self, lookup: &UserLookup) -> Result<Bytes, CallError> {
        let found = self.0.call_bytes(Method::POST, "/users/lookup", Some(lookup), Retry::Safe, READ_DEADLINE).await;
        found.map_err(unavailable_if_older)
    }

    /// A page of the users that match `query`, newest first. The page begins after the user of `cursor`.
    pub async fn list_users(
        &self,
        query: &UserQuery,
        cursor: Option<UserCursor>,
        limit: u32,
    ) -> Result<UserPage, CallError> {
        self.0.parse_response(&self.list_users_json(query, cursor, limit).await?)
    }

    /// Like [`DbProxyClient::list_users`], but returns the JSON.
    pub async fn list_users_json(
        &self,
        query: &UserQuery,
        cursor: Option<UserCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        let path = format!("/users?{}", query.to_query(cursor, limit));
        let page = self.0.call_bytes(Method::GET, &path, None::<&()>, Retry::Safe, READ_DEADLINE).await;
        page.map_err(unavailable_if_older)
    }

    /// Changes a user. A retry after a lost response replaces changes that other requests made after the first attempt.
    pub async fn update_user(&self, id: UserId, command: &UpdateUserCommand) -> Result<User, DirectoryError> {
        self.write(Method::PATCH, &format!("/users/{id}"), Some(command)).await
    }

    /// Deactivates a user, so that no key of the user is accepted any more. A retry after a lost response replaces an
    /// activation that another request made after the first attempt.
    pub async fn deactivate_user(&self, id: UserId) -> Result<User, DirectoryError> {
        self.write(Method::POST, &format!("/users/{id}/deactivate"), None::<&()>).await
    }

    /// Activates a user, so that the keys of the user are accepted again. A retry after a lost response replaces a
    /// deactivation that another request made after the first attempt.
    pub async fn activate_user(&self, id: UserId) -> Result<User, DirectoryError> {
        self.write(Method::POST, &format!("/users/{id}/activate"), None::<&()>).await
    }

    /// Stores a new key of a user. Retries are safe: if a key with this prefix and this hash is already stored, db-proxy
    /// returns the stored key.
    pub async fn store_key(&self, user: UserId, command: &StoreKeyCommand) -> Result<ApiKey, DirectoryError> {
        self.write(Method::POST, &format!("/users/{user}/keys"), Some(command)).await
    }

    /// The keys of a user, newest first. `None` if no user has this id.
    pub async fn list_keys(&self, user: UserId) -> Result<Option<KeyList>, CallError> {
        none_if_absent(self.read(&format!("/users/{user}/keys")).await)
    }

    /// Changes the name or the rate limit of a key of a user. A retry after a lost response replaces changes that other
    /// requests made after the first attempt.
    pub async fn update_key(
        &self,
        user: UserId,
        key: KeyId,
        command: &UpdateKeyCommand,
    ) -> Result<ApiKey, DirectoryError> {
        self.write(Method::PATCH, &format!("/users/{user}/keys/{key}"), Some(command)).await
    }

    /// Revokes a key of a user. Retries are safe: a key that is already revoked keeps the time of its revocation.
    pub async fn revoke_key(&self, user: UserId, key: KeyId) -> Result<ApiKey, DirectoryError> {
        self.write(Method::DELETE, &format!("/users/{user}/keys/{key}"), None::<&()>).await
    }

    /// The record of the key with this prefix, even if the key is not valid any more.
    pub async fn find_key(&self, prefix: &KeyPrefix) -> Result<Option<KeyRecord>, CallError> {
        let path = format!("/keys/{prefix}");
        none_if_absent(self.0.call_json(Method::GET, &path, None::<&()>, Retry::Safe, KEY_DEADLINE).await)
    }

    /// Records the last uses of keys. Accepts at most [`MAX_KEY_USES`](crate::api::keys::MAX_KEY_USES). Unknown keys are ignored.
    /// Retries are safe, because db-proxy keeps the latest time of each key.
    pub async fn record_key_uses(&self, uses: &KeyUses) -> Result<(), CallError> {
        let recorded = self.0.call_bytes(Method::POST, "/keys/uses", Some(uses), Retry::Safe, WRITE_DEADLINE).await;
        recorded.map(|_| ()).map_err(unavailable_if_older)
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        self.0.call_json(Method::GET, path, None::<&()>, Retry::Safe, READ_DEADLINE).await
    }

    async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, DirectoryError> {
        self.write_with(method, path, body, Retry::Safe).await
    }

    async fn write_with<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
        retry: Retry,
    ) -> Result<T, DirectoryError> {
        let CallOutcome { result, unanswered } = self.0.call(method, path, body, retry, WRITE_DEADLINE).await;
        let written = result.and_then(|response| self.0.parse_response(&response));
        written.map_err(|error| DirectoryError::of_write(error, unanswered))
    }
}

/// Returns `None` if no user or key has the requested id or prefix.
fn none_if_absent<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result.map_err(DirectoryError::from) {
        Ok(found) => Ok(Some(found)),
        Err(DirectoryError::UserNotFound | DirectoryError::KeyNotFound) => Ok(None),
        Err(DirectoryError::Call(error)) => Err(error),
        // The other reasons concern writes.
        Err(error) => Err(DbProxyClient::invalid_response(error)),
    }
}

#[cfg(test)]
mod tests;
