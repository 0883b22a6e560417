//! API keys in an SQLite file.

use common::{
    api::{
        keys::{ApiKey, KeyPrefix, KeyRecord, KeyUse, MAX_KEY_LIST, UpdateKeyCommand},
        users::UserName,
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    SqliteUsers,
    statements::{
        COUNT_UNREVOKED_KEYS, INSERT_KEY, KEY_BY_ID, KEY_BY_PREFIX, KEY_OF_USER_EXISTS, KEY_RECORD, KEYS_OF_USER,
        RECORD_USES, REVOKE_KEY, UPDATE_KEY, USER_EXISTS,
    },
};
use crate::{
    database::{
        DatabaseError,
        rows::{column_of, sqlite::to_hex},
    },
    error::{DirectoryRefusal, Error},
    users::{
        policy::{NewKeyDecision, decide_new_key},
        store::{
            NewKey,
            columns::{key_of, rate_limit_column, record_of, same_prefix_of, scopes_to_text},
        },
    },
};

impl SqliteUsers {
    pub(in super::super) async fn store_key(&self, new: NewKey) -> Result<ApiKey, Error> {
        Ok(self.writes.run(|connection| Box::pin(insert_key(connection, new))).await??)
    }

    pub(in super::super) async fn keys_of(&self, user: UserId) -> Result<Vec<ApiKey>, Error> {
        let query = sqlx::query(KEYS_OF_USER).bind(user.0).bind(MAX_KEY_LIST);
        let rows = query.fetch_all(&self.database.readers).await.map_err(DatabaseError::from)?;
        if rows.is_empty() {
            self.require_user(user).await?;
        }
        Ok(rows.iter().map(key_of).collect::<Result<_, _>>()?)
    }

    pub(in super::super) async fn update_key(
        &self,
        user: UserId,
        key: KeyId,
        change: &UpdateKeyCommand,
    ) -> Result<ApiKey, Error> {
        let change = change.clone();
        let row = self.writes.run(move |connection| {
            Box::pin(async move {
                let limit = change.rate_limit_per_minute;
                let query = sqlx::query(UPDATE_KEY)
                    .bind(user.0)
                    .bind(key.0)
                    .bind(change.name.as_ref().map(UserName::as_str))
                    .bind(!limit.is_unchanged())
                    .bind(rate_limit_column(limit.apply(None)));
                Ok(query.fetch_optional(connection).await?)
            })
        });
        let Some(row) = row.await? else {
            let query = sqlx::query_scalar(KEY_OF_USER_EXISTS).bind(user.0).bind(key.0);
            if query.fetch_one(&self.database.readers).await.map_err(DatabaseError::from)? {
                return Err(DirectoryRefusal::KeyRevoked.into());
            }
            self.require_user(user).await?;
            return Err(DirectoryRefusal::KeyNotFound.into());
        };
        Ok(key_of(&row)?)
    }

    pub(in super::super) async fn revoke_key(&self, user: UserId, key: KeyId, now: Timestamp) -> Result<ApiKey, Error> {
        let row = self.writes.run(move |connection| {
            let query = sqlx::query(REVOKE_KEY).bind(user.0).bind(key.0).bind(now.micros());
            Box::pin(async move { Ok(query.fetch_optional(connection).await?) })
        });
        let Some(row) = row.await? else {
            self.require_user(user).await?;
            return Err(DirectoryRefusal::KeyNotFound.into());
        };
        Ok(key_of(&row)?)
    }

    pub(in super::super) async fn key_record(&self, prefix: &KeyPrefix) -> Result<Option<KeyRecord>, DatabaseError> {
        let query = sqlx::query(KEY_RECORD).bind(prefix.as_str());
        query.fetch_optional(&self.database.readers).await?.as_ref().map(record_of).transpose()
    }

    pub(in super::super) async fn record_uses(&self, uses: &[KeyUse]) -> Result<(), DatabaseError> {
        let uses = json!(column_of(uses, |used| (to_hex(&used.id.0), used.used_at.micros()))).to_string();
        let recorded = self.writes.run(|connection| {
            Box::pin(async move { Ok(sqlx::query(RECORD_USES).bind(uses).execute(connection).await?) })
        });
        recorded.await.map(|_| ())
    }

    /// Fails if no user has this id.
    async fn require_user(&self, user: UserId) -> Result<(), Error> {
        if exists(&mut *self.database.readers.acquire().await.map_err(DatabaseError::from)?, user).await? {
            Ok(())
        } else {
            Err(DirectoryRefusal::UserNotFound.into())
        }
    }
}

async fn exists(connection: &mut SqliteConnection, user: UserId) -> Result<bool, DatabaseError> {
    Ok(sqlx::query_scalar(USER_EXISTS).bind(user.0).fetch_one(connection).await?)
}

/// Inserts a new key, unless the policy refuses the key. Returns the stored key.
async fn insert_key(
    connection: &mut SqliteConnection,
    new: NewKey,
) -> Result<Result<ApiKey, DirectoryRefusal>, DatabaseError> {
    let NewKey { user_id, hash, key } = new;
    if !exists(connection, user_id).await? {
        return Ok(Err(DirectoryRefusal::UserNotFound));
    }
    let query = sqlx::query(KEY_BY_PREFIX).bind(key.prefix.as_str());
    let same_prefix = query.fetch_optional(&mut *connection).await?.as_ref().map(same_prefix_of).transpose()?;
    let unrevoked_keys = sqlx::query_scalar(COUNT_UNREVOKED_KEYS).bind(user_id.0).fetch_one(&mut *connection).await?;
    let id = match decide_new_key(user_id, hash, same_prefix, unrevoked_keys) {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(NewKeyDecision::Repeat(id)) => id,
        Ok(NewKeyDecision::Insert) => {
            let query = sqlx::query(INSERT_KEY)
                .bind(key.id.0)
                .bind(user_id.0)
                .bind(key.prefix.as_str())
                .bind(hash.as_bytes().as_slice())
                .bind(key.name.as_str())
                .bind(scopes_to_text(&key.scopes))
                .bind(rate_limit_column(key.rate_limit_per_minute))
                .bind(key.created_at.micros())
                .bind(key.expires_at.map(Timestamp::micros));
            query.execute(&mut *connection).await?;
            key.id
        }
    };
    Ok(Ok(key_of(&sqlx::query(KEY_BY_ID).bind(id.0).fetch_one(connection).await?)?))
}
