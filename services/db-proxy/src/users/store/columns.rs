//! Conversion of rows and column values. Both engines have the same columns.

use common::{
    api::{
        keys::{ApiKey, KeyHash, KeyRecord, Scope, Scopes},
        users::{Email, User, UserState},
    },
    ids::{KeyId, UserId},
};

use crate::{
    database::{
        DatabaseError,
        rows::{DatabaseRow, decode},
    },
    users::policy::SamePrefix,
};

pub(super) fn user_of(row: &impl DatabaseRow) -> Result<User, DatabaseError> {
    Ok(User {
        id: UserId(row.value("id")?),
        email: Email::from_parts(row.value("email")?, row.value("email_key")?),
        name: decode("users.name", row.value::<&str>("name")?.parse())?,
        state: state_from_text(row.value("state")?)?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(super) fn key_of(row: &impl DatabaseRow) -> Result<ApiKey, DatabaseError> {
    Ok(ApiKey {
        id: KeyId(row.value("id")?),
        prefix: decode("api_keys.prefix", row.value::<&str>("prefix")?.parse())?,
        name: decode("api_keys.name", row.value::<&str>("name")?.parse())?,
        scopes: scopes_from_text(row.value("scopes")?),
        rate_limit_per_minute: rate_limit(row.value("rate_limit_per_minute")?)?,
        created_at: row.time("created_at")?,
        expires_at: row.optional_time("expires_at")?,
        last_used_at: row.optional_time("last_used_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}

/// A key with its hash and the state of its user.
pub(super) fn record_of(row: &impl DatabaseRow) -> Result<KeyRecord, DatabaseError> {
    Ok(KeyRecord {
        id: KeyId(row.value("id")?),
        user_id: UserId(row.value("user_id")?),
        user_state: state_from_text(row.value("user_state")?)?,
        hash: hash_of(row.value("hash")?)?,
        scopes: scopes_from_text(row.value("scopes")?),
        rate_limit_per_minute: rate_limit(row.value("rate_limit_per_minute")?)?,
        expires_at: row.optional_time("expires_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}

pub(super) fn same_prefix_of(row: &impl DatabaseRow) -> Result<SamePrefix, DatabaseError> {
    Ok(SamePrefix {
        id: KeyId(row.value("id")?),
        user_id: UserId(row.value("user_id")?),
        hash: hash_of(row.value("hash")?)?,
    })
}

fn hash_of(bytes: &[u8]) -> Result<KeyHash, DatabaseError> {
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

pub(super) fn scopes_to_text(scopes: &Scopes) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",")
}

/// Ignores the scopes of newer releases: no operation of this release requires them.
fn scopes_from_text(text: &str) -> Scopes {
    text.split(',').filter_map(Scope::from_name).collect()
}

#[cfg(test)]
mod tests;
