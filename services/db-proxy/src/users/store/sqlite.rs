//! Users in an SQLite file.

mod keys;
mod seeding;
mod statements;

use common::{
    api::users::{Email, UpdateUserCommand, User, UserName, UserState},
    ids::UserId,
    time::Timestamp,
};
use serde_json::json;

use self::statements::{
    INSERT_USER, LIST_USERS, LIST_USERS_IN_STATE, SET_STATE, UPDATE_USER, USERS_BY_EMAIL, USERS_BY_ID,
};
use super::{NewUser, UserScan, columns::user_of};
use crate::{
    database::{
        DatabaseError, SqliteDatabase,
        rows::{column_of, sqlite::to_hex},
        sqlite::WriteGroups,
    },
    error::{DirectoryRefusal, Error},
};

#[derive(Clone)]
pub struct SqliteUsers {
    database: SqliteDatabase,
    /// Commits the writes of users and keys in groups.
    writes: WriteGroups,
}

impl SqliteUsers {
    pub(super) fn new(database: SqliteDatabase) -> Self {
        Self { writes: WriteGroups::new(database.writer.clone()), database }
    }

    pub(super) async fn create_user(&self, user: &NewUser) -> Result<(), Error> {
        let NewUser(user) = user.clone();
        let inserted = self.writes.run(|connection| {
            Box::pin(async move {
                let query = sqlx::query(INSERT_USER)
                    .bind(user.id.0)
                    .bind(user.email.as_str())
                    .bind(user.email.comparison_key())
                    .bind(user.name.as_str())
                    .bind(user.state.as_str())
                    .bind(user.created_at.micros());
                Ok(query.execute(connection).await?)
            })
        });
        if inserted.await?.rows_affected() == 1 { Ok(()) } else { Err(DirectoryRefusal::EmailTaken.into()) }
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
        let change = change.clone();
        let updated = self.writes.run(move |connection| {
            Box::pin(async move {
                let updated = sqlx::query(UPDATE_USER)
                    .bind(id.0)
                    .bind(change.email.as_ref().map(Email::as_str))
                    .bind(change.email.as_ref().map(Email::comparison_key))
                    .bind(change.name.as_ref().map(UserName::as_str))
                    .bind(now.micros())
                    .fetch_optional(connection)
                    .await;
                match updated {
                    // The email address is the only unique column that the statement changes.
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                        Ok(Err(DirectoryRefusal::EmailTaken))
                    }
                    row => Ok(row?.ok_or(DirectoryRefusal::UserNotFound)),
                }
            })
        });
        Ok(user_of(&updated.await??)?)
    }

    pub(super) async fn set_state(&self, id: UserId, state: UserState, now: Timestamp) -> Result<User, Error> {
        let row = self.writes.run(move |connection| {
            let query = sqlx::query(SET_STATE).bind(id.0).bind(state.as_str()).bind(now.micros());
            Box::pin(async move { Ok(query.fetch_optional(connection).await?) })
        });
        Ok(user_of(&row.await?.ok_or(DirectoryRefusal::UserNotFound)?)?)
    }
}
