//! Users in an SQLite file.

mod keys;
mod seeding;
mod statements;

use std::{sync::Arc, time::Duration};

use common::{
    api::users::{Email, UpdateUserCommand, User, UserName, UserState},
    ids::UserId,
    time::Timestamp,
};
use serde_json::json;
use sqlx::Sqlite;
use tokio::sync::{Mutex, MutexGuard};

use self::statements::{
    INSERT_USER, LIST_USERS, LIST_USERS_IN_STATE, SET_STATE, UPDATE_USER, USERS_BY_EMAIL, USERS_BY_ID,
};
use super::{NewUser, UserScan, columns::user_of};
use crate::{
    database::{
        DatabaseError, SqliteDatabase, TransactionConnection,
        rows::{column_of, sqlite::to_hex},
    },
    error::{DirectoryRefusal, Error},
};

/// How long a write may wait for other writes of users and keys.
const MAX_WRITE_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct SqliteUsers {
    database: SqliteDatabase,
    /// Held by the write of users or keys that uses the only connection for writes, or waits for it. A write of orders therefore
    /// waits for at most one write of users or keys.
    write_lock: Arc<Mutex<()>>,
}

/// The connection for writes. No other write of users and keys uses it or waits for it.
struct WriteConnection<'a> {
    connection: TransactionConnection<Sqlite>,
    _guard: MutexGuard<'a, ()>,
}

impl SqliteUsers {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        Self { database, write_lock: Arc::default() }
    }

    pub(super) async fn create_user(&self, NewUser(user): &NewUser) -> Result<(), Error> {
        let mut writer = self.writer().await?;
        let inserted = sqlx::query(INSERT_USER)
            .bind(user.id.0)
            .bind(user.email.as_str())
            .bind(user.email.comparison_key())
            .bind(user.name.as_str())
            .bind(user.state.as_str())
            .bind(user.created_at.micros())
            .execute(&mut *writer.connection)
            .await
            .map_err(DatabaseError::from)?;
        writer.connection.release();
        if inserted.rows_affected() == 1 { Ok(()) } else { Err(DirectoryRefusal::EmailTaken.into()) }
    }

    pub(super) async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<User>, DatabaseError> {
        let ids = json!(column_of(ids, |id| to_hex(&id.0))).to_string();
        let rows = sqlx::query(USERS_BY_ID).bind(ids).fetch_all(&self.database.readers).await?;
        rows.iter().map(user_of).collect()
    }

    pub(super) async fn users_by_email(&self, emails: &[Email]) -> Result<Vec<User>, DatabaseError> {
        let keys = json!(column_of(emails, Email::comparison_key)).to_string();
        let rows = sqlx::query(USERS_BY_EMAIL).bind(keys).fetch_all(&self.database.readers).await?;
        rows.iter().map(user_of).collect()
    }

    pub(super) async fn list_users(&self, scan: UserScan) -> Result<Vec<User>, DatabaseError> {
        let UserScan { state, before, limit } = scan;
        let statement = if state.is_some() { LIST_USERS_IN_STATE } else { LIST_USERS };
        let mut query = sqlx::query(statement).bind(before.0).bind(limit);
        if let Some(state) = state {
            query = query.bind(state.as_str());
        }
        query.fetch_all(&self.database.readers).await?.iter().map(user_of).collect()
    }

    pub(super) async fn update_user(
        &self,
        id: UserId,
        change: &UpdateUserCommand,
        now: Timestamp,
    ) -> Result<User, Error> {
        let mut writer = self.writer().await?;
        let updated = sqlx::query(UPDATE_USER)
            .bind(id.0)
            .bind(change.email.as_ref().map(Email::as_str))
            .bind(change.email.as_ref().map(Email::comparison_key))
            .bind(change.name.as_ref().map(UserName::as_str))
            .bind(now.micros())
            .fetch_optional(&mut *writer.connection)
            .await;
        let row = match updated {
            // The address is the only unique column that the statement changes.
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(DirectoryRefusal::EmailTaken),
            row => row.map_err(DatabaseError::from)?.ok_or(DirectoryRefusal::UserNotFound),
        };
        // The connection can be reused after a violation too: the statement ran outside a transaction and changed nothing.
        writer.connection.release();
        Ok(user_of(&row?)?)
    }

    pub(super) async fn set_state(&self, id: UserId, state: UserState, now: Timestamp) -> Result<User, Error> {
        let mut writer = self.writer().await?;
        let query = sqlx::query(SET_STATE).bind(id.0).bind(state.as_str()).bind(now.micros());
        let row = query.fetch_optional(&mut *writer.connection).await.map_err(DatabaseError::from)?;
        writer.connection.release();
        Ok(user_of(&row.ok_or(DirectoryRefusal::UserNotFound)?)?)
    }

    async fn writer(&self) -> Result<WriteConnection<'_>, DatabaseError> {
        let guard = tokio::time::timeout(MAX_WRITE_WAIT, self.write_lock.lock()).await;
        let guard = guard.map_err(|_| DatabaseError::TimedOut)?;
        Ok(WriteConnection { connection: TransactionConnection::acquire(&self.database.writer).await?, _guard: guard })
    }
}
