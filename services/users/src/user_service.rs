//! The operations on users and keys that operators and users may request.

use std::sync::Arc;

use bytes::Bytes;
use common::{
    access::Principal,
    api::{
        keys::{ApiKey, IssuedKey, KeyList, KeySecret, UpdateKeyCommand},
        users::{CreateUserCommand, UpdateUserCommand, User, UserCursor, UserQuery, UserState},
    },
    clients::db_proxy::{DbProxyClient, DirectoryError},
    ids::{KeyId, UserId},
};

use crate::{
    directory::Directory,
    error::{Change, Error},
    user_finder::{LookupKey, UserFinder},
    user_pages,
    validation::KeyTerms,
};

/// Maximum number of attempts to generate a key with a prefix that belongs to no other key.
const MAX_PREFIX_ATTEMPTS: u32 = 4;

/// Manages users and keys in the directory.
#[derive(Clone)]
pub struct UserService {
    pub directory: Arc<dyn Directory>,
    pub finder: UserFinder,
}

impl UserService {
    pub async fn create_user(&self, command: &CreateUserCommand) -> Result<User, Error> {
        self.directory.create_user(command).await.map_err(|error| match error {
            DirectoryError::EmailTaken => Error::EmailTaken(command.email.clone()),
            DirectoryError::OutcomeUnknown(error) => Error::OutcomeUnknown(Change::CreateUser, error),
            DirectoryError::Call(error) => Error::NotChanged(Change::CreateUser, error),
            // A taken address is the only refusal of a new user, so another refusal is an invalid response.
            error => Error::Call(DbProxyClient::invalid_response(error)),
        })
    }

    /// The JSON of a user. A user may read only itself.
    pub async fn find_user(&self, principal: &Principal, id: UserId) -> Result<Bytes, Error> {
        check_visible(principal, id)?;
        self.finder.find_user(LookupKey::Id(id)).await?.ok_or(Error::UserNotFound(id))
    }

    /// The JSON of a page of users, newest first. A user may list only itself.
    pub async fn list_users(
        &self,
        principal: &Principal,
        query: UserQuery,
        cursor: Option<UserCursor>,
        limit: u32,
    ) -> Result<Bytes, Error> {
        match (principal, query) {
            (Principal::Operator, UserQuery { email: Some(email), state: None }) if cursor.is_none() => {
                // At most one user has the address.
                let user = self.finder.find_user(LookupKey::Email(email)).await?;
                Ok(user_pages::page_of_one(user.as_ref()))
            }
            (Principal::Operator, query) => Ok(user_pages::read_page(&*self.directory, &query, cursor, limit).await?),
            (Principal::User(user), query) => {
                // The look-up is the same for every query, so its duration does not disclose whether another user matches the
                // query.
                let own = self.finder.find_user(LookupKey::Id(user.user_id)).await?;
                Ok(user_pages::page_of_own(own, &query, cursor)?)
            }
            (Principal::Anonymous, _) => Ok(user_pages::page_of_one(None)),
        }
    }

    pub async fn update_user(&self, id: UserId, command: &UpdateUserCommand) -> Result<User, Error> {
        let updated = self.directory.update_user(id, command).await;
        updated.map_err(|error| match (error, &command.email) {
            (DirectoryError::EmailTaken, Some(email)) => Error::EmailTaken(email.clone()),
            (error, _) => Error::from_directory(error, Change::UpdateUser, id, None),
        })
    }

    pub async fn set_user_state(&self, id: UserId, state: UserState) -> Result<User, Error> {
        let updated = self.directory.set_user_state(id, state).await;
        updated.map_err(|error| Error::from_directory(error, Change::UpdateUser, id, None))
    }

    /// Generates a key, and stores its hash. Returns the key with its secret, which is not stored.
    pub async fn create_key(&self, user: UserId, terms: &KeyTerms) -> Result<IssuedKey, Error> {
        for _ in 0..MAX_PREFIX_ATTEMPTS {
            let key = KeySecret::generate();
            match self.directory.store_key(user, &terms.store_command(key.prefix(), key.hash())).await {
                Ok(details) => return Ok(IssuedKey { key, details }),
                Err(DirectoryError::PrefixTaken) => {}
                Err(error) => return Err(Error::from_directory(error, Change::CreateKey, user, None)),
            }
        }
        Err(Error::NoFreePrefix)
    }

    /// The keys of a user, newest first, without their secrets. A user may list only its own keys.
    pub async fn list_keys(&self, principal: &Principal, user: UserId) -> Result<KeyList, Error> {
        check_visible(principal, user)?;
        self.directory.list_keys(user).await?.ok_or(Error::UserNotFound(user))
    }

    pub async fn update_key(&self, user: UserId, key: KeyId, command: &UpdateKeyCommand) -> Result<ApiKey, Error> {
        let updated = self.directory.update_key(user, key, command).await;
        updated.map_err(|error| Error::from_directory(error, Change::UpdateKey, user, Some(key)))
    }

    pub async fn revoke_key(&self, user: UserId, key: KeyId) -> Result<(), Error> {
        let revoked = self.directory.revoke_key(user, key).await;
        revoked.map(drop).map_err(|error| Error::from_directory(error, Change::UpdateKey, user, Some(key)))
    }
}

/// Fails with the error for an unknown id if the principal is not permitted to read the user. No look-up precedes the error,
/// so neither its text nor its duration discloses whether the user exists.
fn check_visible(principal: &Principal, id: UserId) -> Result<(), Error> {
    match principal {
        Principal::Operator => Ok(()),
        Principal::User(user) if user.user_id == id => Ok(()),
        Principal::User(_) | Principal::Anonymous => Err(Error::UserNotFound(id)),
    }
}
