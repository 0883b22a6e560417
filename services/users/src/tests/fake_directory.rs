//! A user directory in memory. Tests can make its calls fail.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::{
        Code, Problem,
        keys::{ApiKey, KeyHash, KeyList, KeyPrefix, StoreKeyCommand, UpdateKeyCommand},
        users::{
            CreateUserCommand, FoundUsers, UpdateUserCommand, User, UserCursor, UserLookup, UserPage, UserQuery,
            UserState,
        },
    },
    clients::{
        CallError,
        db_proxy::{DbProxyClient, DirectoryError},
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};
use serde::Serialize;
use uuid::Uuid;

use crate::directory::Directory;

/// How a call fails.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// db-proxy has possibly executed the request.
    InvalidResponse,
    DatabaseUnavailable,
    PrefixTaken,
}

impl From<Fault> for DirectoryError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::PrefixTaken => Self::PrefixTaken,
            Fault::InvalidResponse => Self::OutcomeUnknown(fault.into()),
            Fault::DatabaseUnavailable => Self::Call(fault.into()),
        }
    }
}

impl From<Fault> for CallError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::DatabaseUnavailable => {
                let problem = Problem::new(Code::DatabaseUnavailable, "The database is unavailable.");
                Self::Problem(DbProxyClient::SERVICE, Box::new(problem))
            }
            Fault::InvalidResponse | Fault::PrefixTaken => {
                Self::InvalidResponse(DbProxyClient::SERVICE, "status 502".to_owned())
            }
        }
    }
}

struct StoredKey {
    user: UserId,
    hash: KeyHash,
    key: ApiKey,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    users: Vec<User>,
    keys: Vec<StoredKey>,
    faults: Vec<Fault>,
}

#[derive(Default)]
pub struct FakeDirectory {
    state: Mutex<State>,
    calls: AtomicUsize,
}

impl FakeDirectory {
    pub fn add_user(&self, email: &str, name: &str) -> User {
        let now = Timestamp::now();
        let user = User {
            id: UserId(Uuid::now_v7()),
            email: email.parse().unwrap(),
            name: name.parse().unwrap(),
            state: UserState::Active,
            created_at: now,
            updated_at: now,
        };
        self.state.lock().unwrap().users.push(user.clone());
        user
    }

    /// Makes the next `count` calls fail.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.state.lock().unwrap().faults = vec![fault; count];
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn stored_hash(&self, prefix: &KeyPrefix) -> Option<KeyHash> {
        let state = self.state.lock().unwrap();
        state.keys.iter().find(|stored| stored.key.prefix == *prefix).map(|stored| stored.hash)
    }

    /// Counts a call. Fails if a fault is set for this call.
    fn begin<E: From<Fault>>(&self) -> Result<MutexGuard<'_, State>, E> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock().unwrap();
        match state.faults.pop() {
            Some(fault) => Err(fault.into()),
            None => Ok(state),
        }
    }

    fn change_user(&self, id: UserId, change: impl FnOnce(&mut User)) -> Result<User, DirectoryError> {
        let mut state = self.begin::<DirectoryError>()?;
        let user = state.users.iter_mut().find(|user| user.id == id).ok_or(DirectoryError::UserNotFound)?;
        change(user);
        Ok(user.clone())
    }
}

fn to_json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap().into()
}

#[async_trait]
impl Directory for FakeDirectory {
    async fn create_user(&self, command: &CreateUserCommand) -> Result<User, DirectoryError> {
        if self.begin::<DirectoryError>()?.users.iter().any(|user| user.email == command.email) {
            return Err(DirectoryError::EmailTaken);
        }
        Ok(self.add_user(command.email.as_str(), command.name.as_str()))
    }

    async fn find_users_json(&self, lookup: &UserLookup) -> Result<Bytes, CallError> {
        let state = self.begin::<CallError>()?;
        let by_id = state.users.iter().filter(|user| lookup.ids.contains(&user.id));
        let by_email = state.users.iter().filter(|user| lookup.emails.contains(&user.email));
        Ok(to_json(&FoundUsers { users: by_id.chain(by_email).cloned().collect() }))
    }

    async fn list_users_json(
        &self,
        query: &UserQuery,
        cursor: Option<UserCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        let state = self.begin::<CallError>()?;
        let matches = |user: &&User| {
            query.email.as_ref().is_none_or(|email| user.email == *email)
                && query.state.is_none_or(|state| user.state == state)
                && cursor.is_none_or(|cursor| user.id < cursor.0)
        };
        let found: Vec<_> = state.users.iter().rev().filter(matches).cloned().collect();
        let data: Vec<_> = found.iter().take(limit as usize).cloned().collect();
        let next_cursor = (found.len() > data.len()).then(|| UserCursor(data.last().unwrap().id));
        Ok(to_json(&UserPage { data, next_cursor }))
    }

    async fn update_user(&self, id: UserId, command: &UpdateUserCommand) -> Result<User, DirectoryError> {
        self.change_user(id, |user| {
            user.email = command.email.clone().unwrap_or_else(|| user.email.clone());
            user.name = command.name.clone().unwrap_or_else(|| user.name.clone());
        })
    }

    async fn set_user_state(&self, id: UserId, state: UserState) -> Result<User, DirectoryError> {
        self.change_user(id, |user| user.state = state)
    }

    async fn store_key(&self, user: UserId, command: &StoreKeyCommand) -> Result<ApiKey, DirectoryError> {
        self.change_user(user, |_| {})?;
        let StoreKeyCommand { prefix, hash, name, scopes, rate_limit_per_minute, expires_at } = command.clone();
        let (id, created_at) = (KeyId(Uuid::now_v7()), Timestamp::now());
        let key = ApiKey {
            id,
            prefix,
            name,
            scopes,
            rate_limit_per_minute,
            created_at,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        self.state.lock().unwrap().keys.push(StoredKey { user, hash, key: key.clone() });
        Ok(key)
    }

    async fn list_keys(&self, user: UserId) -> Result<Option<KeyList>, CallError> {
        let state = self.begin::<CallError>()?;
        let keys = state.keys.iter().rev().filter(|stored| stored.user == user);
        let list = KeyList { data: keys.map(|stored| stored.key.clone()).collect() };
        Ok(state.users.iter().any(|stored| stored.id == user).then_some(list))
    }

    async fn update_key(&self, user: UserId, key: KeyId, command: &UpdateKeyCommand) -> Result<ApiKey, DirectoryError> {
        self.change_user(user, |_| {})?;
        let mut state = self.state.lock().unwrap();
        let stored = state.keys.iter_mut().find(|stored| stored.user == user && stored.key.id == key);
        let key = &mut stored.ok_or(DirectoryError::KeyNotFound)?.key;
        if key.revoked_at.is_some() {
            return Err(DirectoryError::KeyRevoked);
        }
        key.name = command.name.clone().unwrap_or_else(|| key.name.clone());
        key.rate_limit_per_minute = command.rate_limit_per_minute.apply(key.rate_limit_per_minute);
        Ok(key.clone())
    }

    async fn revoke_key(&self, user: UserId, key: KeyId) -> Result<ApiKey, DirectoryError> {
        self.change_user(user, |_| {})?;
        let mut state = self.state.lock().unwrap();
        let stored = state.keys.iter_mut().find(|stored| stored.user == user && stored.key.id == key);
        let key = &mut stored.ok_or(DirectoryError::KeyNotFound)?.key;
        key.revoked_at.get_or_insert_with(Timestamp::now);
        Ok(key.clone())
    }
}
