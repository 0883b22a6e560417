//! Finds single users. Look-ups that arrive while other requests are in flight are sent to db-proxy in batches.
//!
//! Only the ids and addresses of the users are parsed. The JSON of db-proxy is returned unchanged.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use common::{
    api::users::{Email, MAX_USER_LOOKUP, UserLookup},
    clients::{CallError, SharedReadError, db_proxy::DbProxyClient},
    concurrency::batching::{BatchLimits, Batcher},
    ids::UserId,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::directory::Directory;

/// db-proxy accepts up to [`MAX_USER_LOOKUP`] ids and up to [`MAX_USER_LOOKUP`] addresses in one request.
const BATCH_LIMITS: BatchLimits = BatchLimits { max_queued: 4096, max_batch_size: MAX_USER_LOOKUP, max_in_flight: 4 };

/// Identifies the user of a look-up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LookupKey {
    Id(UserId),
    Email(Email),
}

type LookupResult = Result<Option<Bytes>, SharedReadError>;

/// Looks up single users.
#[derive(Clone)]
pub struct UserFinder(Batcher<LookupKey, LookupResult>);

impl UserFinder {
    /// Returns the handle and the task that sends the requests. The task completes when every clone of the handle is
    /// dropped and all waiting look-ups are answered.
    pub fn new(directory: Arc<dyn Directory>) -> (Self, impl Future<Output = ()> + Send) {
        let (batcher, task) = Batcher::new(BATCH_LIMITS, move |keys| look_up_batch(directory.clone(), keys));
        (Self(batcher), task)
    }

    /// Returns the JSON of a user, or `None` if no user has the id or the address.
    pub async fn find_user(&self, key: LookupKey) -> LookupResult {
        self.0.submit(key).await?
    }
}

/// Sends one request with all keys. Returns one result for each key, in the same sequence as `keys`.
async fn look_up_batch(directory: Arc<dyn Directory>, keys: Vec<LookupKey>) -> Vec<LookupResult> {
    match fetch_users(&*directory, &keys).await {
        Ok(found) => keys.iter().map(|key| Ok(found.get(key).cloned())).collect(),
        Err(error) => vec![Err(error.into()); keys.len()],
    }
}

/// The [`FoundUsers`](common::api::users::FoundUsers) of db-proxy, each user as JSON text.
#[derive(Deserialize)]
struct RawFoundUsers<'a> {
    #[serde(borrow)]
    users: Vec<&'a RawValue>,
}

/// The id of a user, without the other fields.
#[derive(Deserialize)]
struct IdOnly {
    id: UserId,
}

/// The address of a user, without the other fields.
#[derive(Deserialize)]
struct EmailOnly {
    email: Email,
}

/// Returns the JSON of the users that exist. The key of an entry is the id or the address of the user. If `keys` contains ids and
/// addresses, each user has two entries.
async fn fetch_users(directory: &dyn Directory, keys: &[LookupKey]) -> Result<HashMap<LookupKey, Bytes>, CallError> {
    let mut lookup = UserLookup::default();
    for key in keys {
        match key {
            LookupKey::Id(id) => lookup.ids.push(*id),
            LookupKey::Email(email) => lookup.emails.push(email.clone()),
        }
    }
    let bytes = directory.find_users_json(&lookup).await?;
    let RawFoundUsers { users } = DbProxyClient::parse_response(&bytes)?;
    let mut found = HashMap::with_capacity(keys.len());
    for user in users.iter().map(|user| user.get().as_bytes()) {
        let json = bytes.slice_ref(user);
        if !lookup.ids.is_empty() {
            found.insert(LookupKey::Id(DbProxyClient::parse_response::<IdOnly>(user)?.id), json.clone());
        }
        if !lookup.emails.is_empty() {
            found.insert(LookupKey::Email(DbProxyClient::parse_response::<EmailOnly>(user)?.email), json);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
