//! The store of users and keys: the code that both engines share. The statements of each engine are in a separate file.

mod columns;
mod postgres;
mod sqlite;

use std::sync::Arc;

use common::{
    api::{
        keys::{ApiKey, KeyHash, KeyPrefix, KeyRecord, KeyUse, StoreKeyCommand, UpdateKeyCommand},
        users::{CreateUserCommand, Email, UpdateUserCommand, User, UserState},
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};

use self::{postgres::PostgresUsers, sqlite::SqliteUsers};
use crate::{
    database::{Database, DatabaseError, on_engine},
    error::Error,
    uuid_v7::new_uuid_at,
};

#[derive(Debug, Clone)]
pub struct NewUser(Arc<User>);

impl NewUser {
    pub fn new(command: CreateUserCommand, now: Timestamp) -> Self {
        let CreateUserCommand { email, name } = command;
        let id = UserId(new_uuid_at(now));
        Self(Arc::new(User { id, email, name, state: UserState::Active, created_at: now, updated_at: now }))
    }
}

#[derive(Debug, Clone)]
pub struct NewKey {
    pub user_id: UserId,
    pub hash: KeyHash,
    pub key: Arc<ApiKey>,
}

impl NewKey {
    pub fn new(user_id: UserId, command: StoreKeyCommand, now: Timestamp) -> Self {
        let StoreKeyCommand { prefix, hash, name, scopes, rate_limit_per_minute, expires_at } = command;
        let key = ApiKey {
            id: KeyId(new_uuid_at(now)),
            prefix,
            name,
            scopes,
            rate_limit_per_minute,
            created_at: now,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        Self { user_id, hash, key: Arc::new(key) }
    }
}

/// Selects a part of the users, newest first.
#[derive(Debug, Clone, Copy)]
pub struct UserScan {
    /// `None` selects users in every state.
    pub state: Option<UserState>,
    /// Only users with a lower id.
    pub before: UserId,
    pub limit: u32,
}

/// Users and keys in a database. Clones share its connections.
#[derive(Clone)]
pub enum UserStore {
    Postgres(PostgresUsers),
    Sqlite(SqliteUsers),
}

impl UserStore {
    pub fn new(database: &Database) -> Self {
        match database {
            Database::Postgres(database) => Self::Postgres(PostgresUsers(database.clone())),
            Database::Sqlite(database) => Self::Sqlite(SqliteUsers::new(database.clone())),
        }
    }

    /// Inserts a user. Refused if the email address belongs to another user.
    pub async fn create_user(&self, user: NewUser) -> Result<User, Error> {
        on_engine!(self, store => store.create_user(&user))?;
        Ok(Arc::unwrap_or_clone(user.0))
    }

    pub async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<User>, DatabaseError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        on_engine!(self, store => store.users_by_id(ids))
    }

    pub async fn users_by_email(&self, emails: &[Email]) -> Result<Vec<User>, DatabaseError> {
        if emails.is_empty() {
            return Ok(Vec::new());
        }
        on_engine!(self, store => store.users_by_email(emails))
    }

    pub async fn list_users(&self, scan: UserScan) -> Result<Vec<User>, DatabaseError> {
        on_engine!(self, store => store.list_users(scan))
    }

    /// Changes the email address or the name. A repetition changes nothing.
    pub async fn update_user(&self, id: UserId, change: &UpdateUserCommand, now: Timestamp) -> Result<User, Error> {
        on_engine!(self, store => store.update_user(id, change, now))
    }

    /// Sets the state. A repetition changes nothing.
    pub async fn set_state(&self, id: UserId, state: UserState, now: Timestamp) -> Result<User, Error> {
        on_engine!(self, store => store.set_state(id, state, now))
    }

    /// Inserts a new key in one transaction, unless the policy refuses the key. If the request is a repetition, returns
    /// the stored key.
    pub async fn store_key(&self, key: NewKey) -> Result<ApiKey, Error> {
        on_engine!(self, store => store.store_key(key))
    }

    /// The keys of a user, newest first: at most [`MAX_KEY_LIST`](common::api::keys::MAX_KEY_LIST). If the user has more keys,
    /// the oldest revoked keys are omitted.
    pub async fn keys_of(&self, user: UserId) -> Result<Vec<ApiKey>, Error> {
        let mut keys = on_engine!(self, store => store.keys_of(user))?;
        keys.sort_unstable_by_key(|key| std::cmp::Reverse(key.id));
        Ok(keys)
    }

    /// Changes the name or the rate limit of a key that is not revoked. A repetition changes nothing.
    pub async fn update_key(&self, user: UserId, key: KeyId, change: &UpdateKeyCommand) -> Result<ApiKey, Error> {
        on_engine!(self, store => store.update_key(user, key, change))
    }

    /// Revokes a key of a user. A repetition changes nothing.
    pub async fn revoke_key(&self, user: UserId, key: KeyId, now: Timestamp) -> Result<ApiKey, Error> {
        on_engine!(self, store => store.revoke_key(user, key, now))
    }

    pub async fn key_record(&self, prefix: &KeyPrefix) -> Result<Option<KeyRecord>, DatabaseError> {
        on_engine!(self, store => store.key_record(prefix))
    }

    /// The number of generated users.
    pub async fn seeded_users(&self) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.seeded_users())
    }

    /// Adds at most `batch` generated users in one transaction, and none above the number `target`. Returns the number of
    /// generated users after the transaction. Concurrent calls run one after another.
    pub async fn seed_users(&self, target: u64, batch: u64) -> Result<u64, DatabaseError> {
        on_engine!(self, store => store.seed_users(target, batch))
    }

    /// Records uses that are later than the recorded uses. Each key must occur at most once, and the uses must be sorted by key
    /// id.
    pub async fn record_uses(&self, uses: &[KeyUse]) -> Result<(), DatabaseError> {
        if uses.is_empty() {
            return Ok(());
        }
        on_engine!(self, store => store.record_uses(uses))
    }
}
