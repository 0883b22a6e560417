//! Conversion of column values. Both engines store the same values, except for ids and times.

use common::{
    api::{
        keys::{ApiKey, KeyHash, KeyRecord, Scope, Scopes},
        users::{Email, User, UserState},
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};
use uuid::Uuid;

use crate::database::{DatabaseError, rows::decode};

/// A row of `users`.
pub(super) struct UserColumns<'r> {
    pub(super) id: Uuid,
    pub(super) email: &'r str,
    pub(super) email_key: &'r str,
    pub(super) name: &'r str,
    pub(super) state: &'r str,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

impl UserColumns<'_> {
    pub(super) fn into_user(self) -> Result<User, DatabaseError> {
        Ok(User {
            id: UserId(self.id),
            email: Email::from_parts(self.email, self.email_key),
            name: decode("users.name", self.name.parse())?,
            state: state_from_text(self.state)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// A row of `api_keys` without its hash.
pub(super) struct KeyColumns<'r> {
    pub(super) id: Uuid,
    pub(super) prefix: &'r str,
    pub(super) name: &'r str,
    pub(super) scopes: &'r str,
    pub(super) rate_limit_per_minute: Option<i32>,
    pub(super) created_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) last_used_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
}

impl KeyColumns<'_> {
    pub(super) fn into_key(self) -> Result<ApiKey, DatabaseError> {
        Ok(ApiKey {
            id: KeyId(self.id),
            prefix: decode("api_keys.prefix", self.prefix.parse())?,
            name: decode("api_keys.name", self.name.parse())?,
            scopes: scopes_from_text(self.scopes),
            rate_limit_per_minute: rate_limit(self.rate_limit_per_minute)?,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            revoked_at: self.revoked_at,
        })
    }
}

/// A row of `api_keys` with the state of its user.
pub(super) struct RecordColumns<'r> {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) user_state: &'r str,
    pub(super) hash: &'r [u8],
    pub(super) scopes: &'r str,
    pub(super) rate_limit_per_minute: Option<i32>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
}

impl RecordColumns<'_> {
    pub(super) fn into_record(self) -> Result<KeyRecord, DatabaseError> {
        Ok(KeyRecord {
            id: KeyId(self.id),
            user_id: UserId(self.user_id),
            user_state: state_from_text(self.user_state)?,
            hash: hash_of(self.hash)?,
            scopes: scopes_from_text(self.scopes),
            rate_limit_per_minute: rate_limit(self.rate_limit_per_minute)?,
            expires_at: self.expires_at,
            revoked_at: self.revoked_at,
        })
    }
}

pub(super) fn hash_of(bytes: &[u8]) -> Result<KeyHash, DatabaseError> {
    decode("api_keys.hash", bytes.try_into().map(KeyHash::from_bytes))
}

/// The value of the column `rate_limit_per_minute`. The policy refuses values above `MAX_KEY_RATE`, so every value fits.
pub(super) fn rate_limit_column(rate: Option<u32>) -> Option<i32> {
    rate.map(|rate| i32::try_from(rate).unwrap_or(i32::MAX))
}

fn rate_limit(column: Option<i32>) -> Result<Option<u32>, DatabaseError> {
    column.map(|rate| decode("api_keys.rate_limit_per_minute", u32::try_from(rate))).transpose()
}

fn state_from_text(text: &str) -> Result<UserState, DatabaseError> {
    let state = [UserState::Active, UserState::Deactivated].into_iter().find(|state| state.as_str() == text);
    state.ok_or_else(|| DatabaseError::InvalidRow(format!("users.state {text}")))
}

/// The value of the column `scopes`.
pub(super) fn scopes_to_text(scopes: &Scopes) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
}

/// Ignores the scopes of newer releases: no operation of this release requires them.
fn scopes_from_text(text: &str) -> Scopes {
    text.split(',').filter_map(Scope::from_name).collect()
}

#[cfg(test)]
mod tests;
