//! Wire types of API keys.
//!
//! The service `users` generates a [`KeySecret`], shows it once in an [`IssuedKey`], and sends only its hash to db-proxy, in a
//! [`StoreKeyCommand`]. A service that receives a key fetches the [`KeyRecord`] with the prefix of the key from db-proxy, and
//! compares the hashes.

mod changes;
mod scope;
mod secret;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

pub use self::{
    changes::{KeyPatch, KeyRateError, RateLimitChange, UpdateKeyCommand},
    scope::{Scope, Scopes},
    secret::{KeyHash, KeyHashError, KeyPrefix, KeySecret, KeySecretError},
};
use super::users::{UserName, UserState};
use crate::{
    ids::{KeyId, UserId},
    time::Timestamp,
};

/// Maximum number of keys of one user that are not revoked.
pub const MAX_KEYS_PER_USER: usize = 100;
/// The largest rate limit of a key, in requests per minute.
pub const MAX_KEY_RATE: u32 = 1_000_000;
/// Maximum number of uses that one request to db-proxy may record.
pub const MAX_KEY_USES: usize = 1000;
/// Maximum number of keys in a list. If a user has more keys, the oldest revoked keys are omitted.
pub const MAX_KEY_LIST: u32 = 1000;
/// If the user has no key with the requested id, db-proxy responds with a 404 whose `errors` contain this `field`. A 404
/// without `errors` means that db-proxy does not have the endpoint.
pub const KEY_ID_FIELD: &str = "key_id";
/// If no key has the requested prefix, db-proxy responds with a 404 whose `errors` contain this `field`. If a new key has
/// the prefix of another key, the response is a 422 with this `field`.
pub const PREFIX_FIELD: &str = "prefix";

/// A new key as it is sent to the users service. No field is validated yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "NewKey")]
pub struct KeyPayload {
    /// The purpose of the key: 1 to 200 printable characters, like the name of a user.
    #[serde(default)]
    pub name: Option<String>,
    /// The permissions of the key: one or more of `orders`, `wallets`, `read`.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Requests per minute, 1 to 1000000. If it is absent or `null`, the limit of the service applies.
    #[serde(default, deserialize_with = "changes::deserialize_rate", skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_minute: Option<u32>,
    /// From this time on the key is not accepted. If it is absent, the key does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "ApiKey")]
pub struct ApiKey {
    pub id: KeyId,
    /// The beginning of the key. It identifies the key in logs and lists.
    pub prefix: KeyPrefix,
    pub name: UserName,
    pub scopes: Scopes,
    /// Requests per minute. If it is absent, the limit of the service applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub rate_limit_per_minute: Option<u32>,
    pub created_at: Timestamp,
    /// From this time on the key is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub expires_at: Option<Timestamp>,
    /// When the key was last used, accurate to about a minute. Absent if it was never used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub last_used_at: Option<Timestamp>,
    /// When the key was revoked. Absent if the key is not revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub revoked_at: Option<Timestamp>,
}

/// A new API key with its secret, which is shown only once.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "IssuedKey")]
pub struct IssuedKey {
    /// The whole key, with its secret. Only its prefix and its hash are stored.
    pub key: KeySecret,
    #[serde(flatten)]
    #[oai(flatten)]
    pub details: ApiKey,
}

/// The keys of a user, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "ApiKeyList")]
pub struct KeyList {
    pub data: Vec<ApiKey>,
}

/// The body of the request with which the service `users` stores an API key at db-proxy.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct StoreKeyCommand {
    pub prefix: KeyPrefix,
    pub hash: KeyHash,
    pub name: UserName,
    pub scopes: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub rate_limit_per_minute: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub expires_at: Option<Timestamp>,
}

/// The data with which a service accepts or refuses a key. Revoked keys, expired keys and keys of deactivated users have a record
/// too.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct KeyRecord {
    pub id: KeyId,
    pub user_id: UserId,
    pub user_state: UserState,
    pub hash: KeyHash,
    pub scopes: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub rate_limit_per_minute: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub revoked_at: Option<Timestamp>,
}

/// The last use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct KeyUse {
    pub id: KeyId,
    pub used_at: Timestamp,
}

/// The last uses of at most [`MAX_KEY_USES`] keys since the previous request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct KeyUses {
    pub uses: Vec<KeyUse>,
}

#[cfg(test)]
mod tests;
