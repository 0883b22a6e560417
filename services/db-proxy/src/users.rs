//! Users and their API keys.
//!
//! An API key itself is never stored: the service `users` sends its hash. A service that authenticates API keys reads the record
//! of a key by its prefix, compares the hash, and reports the last uses about once a minute.

pub mod policy;
mod routes;
pub mod seeding;
pub mod store;

use common::{
    api::{
        keys::{ApiKey, KeyList, KeyPrefix, KeyRecord, KeyUses, StoreKeyCommand, UpdateKeyCommand},
        users::{
            CreateUserCommand, FoundUsers, MAX_USER_PAGE, UpdateUserCommand, User, UserCursor, UserLookup, UserPage,
            UserQuery, UserState,
        },
    },
    ids::{KeyId, UserId},
};
use uuid::Uuid;

pub use self::{
    routes::UserRoutes,
    store::{NewKey, NewUser, UserScan, UserStore},
};
use crate::{
    clock_check::ClockCheck,
    database::Database,
    error::{DirectoryRefusal, Error},
};

pub fn build(database: &Database, clock_check: &ClockCheck) -> UserRoutes {
    UserRoutes(UserService { store: UserStore::new(database), clock_check: clock_check.clone() })
}

#[derive(Clone)]
pub struct UserService {
    pub store: UserStore,
    pub clock_check: ClockCheck,
}

impl UserService {
    pub async fn create_user(&self, command: CreateUserCommand) -> Result<User, Error> {
        let user = NewUser::new(command, self.clock_check.write_time()?);
        self.store.create_user(user).await
    }

    pub async fn user(&self, id: UserId) -> Result<User, Error> {
        let user = self.store.users_by_id(&[id]).await?.pop();
        Ok(user.ok_or(DirectoryRefusal::UserNotFound)?)
    }

    pub async fn find_users(&self, lookup: &UserLookup) -> Result<FoundUsers, Error> {
        policy::validate_lookup(lookup).map_err(Error::Invalid)?;
        let mut users = self.store.users_by_id(&lookup.ids).await?;
        users.extend(self.store.users_by_email(&lookup.emails).await?);
        Ok(FoundUsers { users })
    }

    /// A page of users, newest first. `limit` is reduced to [`MAX_USER_PAGE`].
    pub async fn list_users(
        &self,
        query: &UserQuery,
        cursor: Option<UserCursor>,
        limit: u32,
    ) -> Result<UserPage, Error> {
        // The first page begins at the highest possible id.
        let before = cursor.map_or(UserId(Uuid::max()), |UserCursor(id)| id);
        if let Some(email) = &query.email {
            let mut data = self.store.users_by_email(std::slice::from_ref(email)).await?;
            data.retain(|user| user.id < before && query.state.is_none_or(|state| user.state == state));
            return Ok(UserPage { data, next_cursor: None });
        }
        let limit = limit.min(MAX_USER_PAGE);
        // One user more than the page is read, to find out whether there is a next page.
        let scan = UserScan { state: query.state, before, limit: limit + 1 };
        let mut data = self.store.list_users(scan).await?;
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = data.len() > page;
        data.truncate(page);
        let next_cursor = data.last().filter(|_| has_more).map(|last| UserCursor(last.id));
        Ok(UserPage { data, next_cursor })
    }

    pub async fn update_user(&self, id: UserId, change: &UpdateUserCommand) -> Result<User, Error> {
        self.store.update_user(id, change, self.clock_check.write_time()?).await
    }

    pub async fn set_state(&self, id: UserId, state: UserState) -> Result<User, Error> {
        self.store.set_state(id, state, self.clock_check.write_time()?).await
    }

    pub async fn store_key(&self, user: UserId, command: StoreKeyCommand) -> Result<ApiKey, Error> {
        policy::validate_key(&command).map_err(Error::Invalid)?;
        self.store.store_key(NewKey::new(user, command, self.clock_check.write_time()?)).await
    }

    pub async fn keys_of(&self, user: UserId) -> Result<KeyList, Error> {
        Ok(KeyList { data: self.store.keys_of(user).await? })
    }

    pub async fn update_key(&self, user: UserId, key: KeyId, change: &UpdateKeyCommand) -> Result<ApiKey, Error> {
        policy::validate_key_change(change).map_err(Error::Invalid)?;
        self.clock_check.write_time()?;
        self.store.update_key(user, key, change).await
    }

    pub async fn revoke_key(&self, user: UserId, key: KeyId) -> Result<ApiKey, Error> {
        self.store.revoke_key(user, key, self.clock_check.write_time()?).await
    }

    pub async fn key_record(&self, prefix: &KeyPrefix) -> Result<KeyRecord, Error> {
        Ok(self.store.key_record(prefix).await?.ok_or(DirectoryRefusal::PrefixNotFound)?)
    }

    /// Records the last uses of keys. Unknown keys are ignored.
    pub async fn record_uses(&self, uses: &KeyUses) -> Result<(), Error> {
        let uses = policy::last_uses(&uses.uses, self.clock_check.write_time()?).map_err(Error::Invalid)?;
        Ok(self.store.record_uses(&uses).await?)
    }
}
