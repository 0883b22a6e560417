//! The operations of db-proxy that the service `users` calls.

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::{
        keys::{ApiKey, KeyList, StoreKeyCommand, UpdateKeyCommand},
        users::{CreateUserCommand, UpdateUserCommand, User, UserCursor, UserLookup, UserQuery, UserState},
    },
    clients::{
        CallError,
        db_proxy::{DbProxyClient, DirectoryError},
    },
    ids::{KeyId, UserId},
};

/// Stores users and keys: [`DbProxyClient`], or a fake in tests.
#[async_trait]
pub trait Directory: Send + Sync {
    async fn create_user(&self, command: &CreateUserCommand) -> Result<User, DirectoryError>;

    /// The JSON of a [`FoundUsers`](common::api::users::FoundUsers).
    async fn find_users_json(&self, lookup: &UserLookup) -> Result<Bytes, CallError>;

    /// The JSON of a [`UserPage`](common::api::users::UserPage).
    async fn list_users_json(
        &self,
        query: &UserQuery,
        cursor: Option<UserCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError>;

    async fn update_user(&self, id: UserId, command: &UpdateUserCommand) -> Result<User, DirectoryError>;

    async fn set_user_state(&self, id: UserId, state: UserState) -> Result<User, DirectoryError>;

    async fn store_key(&self, user: UserId, command: &StoreKeyCommand) -> Result<ApiKey, DirectoryError>;

    /// `None` if no user has this id.
    async fn list_keys(&self, user: UserId) -> Result<Option<KeyList>, CallError>;

    async fn update_key(&self, user: UserId, key: KeyId, command: &UpdateKeyCommand) -> Result<ApiKey, DirectoryError>;

    async fn revoke_key(&self, user: UserId, key: KeyId) -> Result<ApiKey, DirectoryError>;
}

#[async_trait]
impl Directory for DbProxyClient {
    async fn create_user(&self, command: &CreateUserCommand) -> Result<User, DirectoryError> {
        Self::create_user(self, command).await
    }

    async fn find_users_json(&self, lookup: &UserLookup) -> Result<Bytes, CallError> {
        Self::find_users_json(self, lookup).await
    }

    async fn list_users_json(
        &self,
        query: &UserQuery,
        cursor: Option<UserCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        Self::list_users_json(self, query, cursor, limit).await
    }

    async fn update_user(&self, id: UserId, command: &UpdateUserCommand) -> Result<User, DirectoryError> {
        Self::update_user(self, id, command).await
    }

    async fn set_user_state(&self, id: UserId, state: UserState) -> Result<User, DirectoryError> {
        match state {
            UserState::Active => self.activate_user(id).await,
            UserState::Deactivated => self.deactivate_user(id).await,
        }
    }

    async fn store_key(&self, user: UserId, command: &StoreKeyCommand) -> Result<ApiKey, DirectoryError> {
        Self::store_key(self, user, command).await
    }

    async fn list_keys(&self, user: UserId) -> Result<Option<KeyList>, CallError> {
        Self::list_keys(self, user).await
    }

    async fn update_key(&self, user: UserId, key: KeyId, command: &UpdateKeyCommand) -> Result<ApiKey, DirectoryError> {
        Self::update_key(self, user, key, command).await
    }

    async fn revoke_key(&self, user: UserId, key: KeyId) -> Result<ApiKey, DirectoryError> {
        Self::revoke_key(self, user, key).await
    }
}
