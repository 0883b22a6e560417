//! Users in PostgreSQL.

mod keys;
mod seeding;
mod statements;

use common::{
    api::users::{Email, UpdateUserCommand, User, UserName, UserState},
    ids::UserId,
    time::Timestamp,
};
use sqlx::PgConnection;
use uuid::Uuid;

use self::statements::{
    ID_BY_EMAIL, INSERT_USER, LIST_USERS, LIST_USERS_IN_STATE, SET_STATE, UPDATE_USER, USERS_BY_EMAIL, USERS_BY_ID,
};
use super::{NewUser, UserScan, columns::user_of};
use crate::{
    database::{DatabaseError, PostgresDatabase, rows::column_of},
    error::{DirectoryRefusal, Error},
};

/// The constraint that an email address violates if it belongs to another user.
const EMAIL_IS_UNIQUE: &str = "users_email_key_unique";

#[derive(Clone)]
pub struct PostgresUsers(pub PostgresDatabase);

impl PostgresUsers {
    pub(super) async fn create_user(&self, user: &NewUser) -> Result<(), Error> {
        let is_inserted = self.0.run_small_write(|connection| Box::pin(insert_user(connection, user.clone()))).await?;
        if is_inserted { Ok(()) } else { Err(DirectoryRefusal::EmailTaken.into()) }
    }

    pub(super) async fn users_by_id(&self, ids: &[UserId]) -> Result<Vec<User>, DatabaseError> {
        let ids = column_of(ids, |id| id.0);
        let rows = self
            .0
            .run_repeatable(|connection| Box::pin(sqlx::query(USERS_BY_ID).bind(ids.clone()).fetch_all(connection)));
        rows.await?.iter().map(user_of).collect()
    }

    pub(super) async fn users_by_email(&self, emails: &[Email]) -> Result<Vec<User>, DatabaseError> {
        let keys = column_of(emails, |email| email.comparison_key().to_owned());
        let rows = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(USERS_BY_EMAIL).bind(keys.clone()).fetch_all(connection))
        });
        rows.await?.iter().map(user_of).collect()
    }

    pub(super) async fn list_users(&self, scan: UserScan) -> Result<Vec<User>, DatabaseError> {
        let UserScan { state, before, limit } = scan;
        let rows = self.0.run_repeatable(|connection| {
            let statement = if state.is_some() { LIST_USERS_IN_STATE } else { LIST_USERS };
            let mut query = sqlx::query(statement).bind(before.0).bind(i64::from(limit));
            if let Some(state) = state {
                query = query.bind(state.as_str());
            }
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(user_of).collect()
    }

    pub(super) async fn update_user(
        &self,
        id: UserId,
        change: &UpdateUserCommand,
        now: Timestamp,
    ) -> Result<User, Error> {
        let updated = self.0.run_small_write(|connection| {
            let query = sqlx::query(UPDATE_USER)
                .bind(id.0)
                .bind(change.email.as_ref().map(ToString::to_string))
                .bind(change.email.as_ref().map(|email| email.comparison_key().to_owned()))
                .bind(change.name.as_ref().map(UserName::to_string))
                .bind(now.to_datetime());
            Box::pin(async move {
                match query.fetch_optional(connection).await {
                    Err(error) if is_email_taken(&error) => Ok(Err(DirectoryRefusal::EmailTaken)),
                    row => Ok(row?.ok_or(DirectoryRefusal::UserNotFound)),
                }
            })
        });
        Ok(user_of(&updated.await??)?)
    }

    pub(super) async fn set_state(&self, id: UserId, state: UserState, now: Timestamp) -> Result<User, Error> {
        let row = self.0.run_small_write(|connection| {
            let query = sqlx::query(SET_STATE).bind(id.0).bind(state.as_str()).bind(now.to_datetime());
            Box::pin(query.fetch_optional(connection))
        });
        Ok(user_of(&row.await?.ok_or(DirectoryRefusal::UserNotFound)?)?)
    }
}

/// Returns false if the email address belongs to another user.
async fn insert_user(connection: &mut PgConnection, NewUser(user): NewUser) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(INSERT_USER)
        .bind(user.id.0)
        .bind(user.email.as_str())
        .bind(user.email.comparison_key())
        .bind(user.name.as_str())
        .bind(user.state.as_str())
        .bind(user.created_at.to_datetime())
        .execute(&mut *connection)
        .await?;
    if inserted.rows_affected() == 1 {
        return Ok(true);
    }
    // An earlier attempt may have inserted the user on a connection that broke before it returned the result.
    let query = sqlx::query_scalar(ID_BY_EMAIL).bind(user.email.comparison_key());
    let owner: Option<Uuid> = query.fetch_optional(connection).await?;
    Ok(owner == Some(user.id.0))
}

fn is_email_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(EMAIL_IS_UNIQUE)
}
