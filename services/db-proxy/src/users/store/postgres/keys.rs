//! API keys in PostgreSQL.

use common::{
    api::keys::{ApiKey, KeyPrefix, KeyRecord, KeyUse, MAX_KEY_LIST, UpdateKeyCommand},
    ids::{KeyId, UserId},
    time::Timestamp,
};
use sqlx::{Connection, PgConnection, postgres::PgRow};

use super::{
    PostgresUsers,
    statements::{
        COUNT_UNREVOKED_KEYS, INSERT_KEY, KEY_BY_ID, KEY_BY_PREFIX, KEY_OF_USER_EXISTS, KEY_RECORD, KEYS_OF_USER,
        LOCK_USER, RECORD_USES, REVOKE_KEY, UPDATE_KEY, USER_EXISTS,
    },
};
use crate::{
    database::{
        DatabaseError,
        rows::{column_of, postgres::invalid_row},
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

impl PostgresUsers {
    pub(in super::super) async fn store_key(&self, key: NewKey) -> Result<ApiKey, Error> {
        // The write is idempotent, so it may be repeated.
        let row = self.0.run_small_write(|connection| Box::pin(insert_key(connection, key.clone()))).await??;
        Ok(key_of(&row)?)
    }

    pub(in super::super) async fn keys_of(&self, user: UserId) -> Result<Vec<ApiKey>, Error> {
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(KEYS_OF_USER).bind(user.0).bind(i64::from(MAX_KEY_LIST));
            Box::pin(query.fetch_all(connection))
        });
        let rows = rows.await?;
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
        let limit = change.rate_limit_per_minute;
        let row = self.0.run_small_write(|connection| {
            let query = sqlx::query(UPDATE_KEY)
                .bind(user.0)
                .bind(key.0)
                .bind(change.name.as_ref().map(|name| name.as_str().to_owned()))
                .bind(!limit.is_unchanged())
                .bind(rate_limit_column(limit.apply(None)));
            Box::pin(query.fetch_optional(connection))
        });
        let Some(row) = row.await? else {
            let exists = self.0.run_repeatable(|connection| {
                Box::pin(sqlx::query_scalar(KEY_OF_USER_EXISTS).bind(user.0).bind(key.0).fetch_one(connection))
            });
            if exists.await? {
                return Err(DirectoryRefusal::KeyRevoked.into());
            }
            self.require_user(user).await?;
            return Err(DirectoryRefusal::KeyNotFound.into());
        };
        Ok(key_of(&row)?)
    }

    pub(in super::super) async fn revoke_key(&self, user: UserId, key: KeyId, now: Timestamp) -> Result<ApiKey, Error> {
        let row = self.0.run_small_write(|connection| {
            let query = sqlx::query(REVOKE_KEY).bind(user.0).bind(key.0).bind(now.to_datetime());
            Box::pin(query.fetch_optional(connection))
        });
        let Some(row) = row.await? else {
            self.require_user(user).await?;
            return Err(DirectoryRefusal::KeyNotFound.into());
        };
        Ok(key_of(&row)?)
    }

    pub(in super::super) async fn key_record(&self, prefix: &KeyPrefix) -> Result<Option<KeyRecord>, DatabaseError> {
        let row = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(KEY_RECORD).bind(prefix.as_str().to_owned()).fetch_optional(connection))
        });
        row.await?.as_ref().map(record_of).transpose()
    }

    pub(in super::super) async fn record_uses(&self, uses: &[KeyUse]) -> Result<(), DatabaseError> {
        let ids = column_of(uses, |used| used.id.0);
        let times = column_of(uses, |used| used.used_at.to_datetime());
        let recorded = self.0.run_small_write(|connection| {
            let query = sqlx::query(RECORD_USES).bind(ids.clone()).bind(times.clone());
            Box::pin(query.execute(connection))
        });
        recorded.await.map(|_| ())
    }

    /// Fails if no user has this id.
    async fn require_user(&self, user: UserId) -> Result<(), Error> {
        let exists = self
            .0
            .run_repeatable(|connection| Box::pin(sqlx::query_scalar(USER_EXISTS).bind(user.0).fetch_one(connection)));
        if exists.await? { Ok(()) } else { Err(DirectoryRefusal::UserNotFound.into()) }
    }
}

/// Inserts a new key, unless the policy refuses the key. Returns the stored row.
async fn insert_key(
    connection: &mut PgConnection,
    new: NewKey,
) -> Result<Result<PgRow, DirectoryRefusal>, sqlx::Error> {
    let NewKey { user_id, hash, key } = new;
    // The statements after the wait for the lock must see the rows that the previous holder of the lock committed.
    let mut transaction = connection.begin_with("begin isolation level read committed").await?;
    if sqlx::query(LOCK_USER).bind(user_id.0).fetch_optional(&mut *transaction).await?.is_none() {
        return Ok(Err(DirectoryRefusal::UserNotFound));
    }
    let query = sqlx::query(KEY_BY_PREFIX).bind(key.prefix.as_str());
    let same_prefix = query.fetch_optional(&mut *transaction).await?.as_ref().map(same_prefix_of).transpose();
    let same_prefix = same_prefix.map_err(invalid_row)?;
    let unrevoked_keys = sqlx::query_scalar(COUNT_UNREVOKED_KEYS).bind(user_id.0).fetch_one(&mut *transaction).await?;
    let row = match decide_new_key(user_id, hash, same_prefix, unrevoked_keys) {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(NewKeyDecision::Repeat(id)) => Some(sqlx::query(KEY_BY_ID).bind(id.0).fetch_one(&mut *transaction).await?),
        Ok(NewKeyDecision::Insert) => {
            let query = sqlx::query(INSERT_KEY)
                .bind(key.id.0)
                .bind(user_id.0)
                .bind(key.prefix.as_str())
                .bind(hash.as_bytes().as_slice())
                .bind(key.name.as_str())
                .bind(scopes_to_text(&key.scopes))
                .bind(rate_limit_column(key.rate_limit_per_minute))
                .bind(key.created_at.to_datetime())
                .bind(key.expires_at.map(Timestamp::to_datetime));
            query.fetch_optional(&mut *transaction).await?
        }
    };
    transaction.commit().await?;
    Ok(row.ok_or(DirectoryRefusal::PrefixTaken))
}
