//! Generated users in PostgreSQL.

use std::fmt::Write;

use common::{api::users::User, time::Timestamp};
use sqlx::{Connection, PgConnection};

use super::{
    PostgresUsers,
    statements::{COPY_USERS, LAST_SEEDED, READ_ONE_INDEX_ENTRY},
};
use crate::{
    database::DatabaseError,
    users::seeding::{AFTER_LAST_ADDRESS, DOMAIN, FIRST_ADDRESS, generate, next_numbers, number_of},
};

/// The key of the advisory lock that processes hold while they add generated users. It is `seeding` in ASCII.
const SEED_LOCK: i64 = 0x73_6565_6469_6e67;
/// Settings of a transaction that adds generated users. It can take longer than other transactions, and can wait until
/// another process has added users.
const WITHOUT_TIME_LIMITS: [&str; 2] = ["set local statement_timeout = 0", "set local lock_timeout = 0"];
/// Maximum number of bytes in one message of `copy`.
const CHUNK_BYTES: usize = 256 * 1024;

impl PostgresUsers {
    pub(in super::super) async fn seeded_users(&self) -> Result<u64, DatabaseError> {
        let last = self.0.run_repeatable(|connection| {
            Box::pin(async move {
                let mut transaction = connection.begin_with("begin read only").await?;
                last_seeded(&mut transaction).await
            })
        });
        last.await?.as_deref().map_or(Ok(0), number_of)
    }

    pub(in super::super) async fn seed_users(&self, target: u64, batch: u64) -> Result<u64, DatabaseError> {
        let mut connection = self.0.acquire_writer().await?;
        let mut transaction = connection.begin_with("begin isolation level read committed").await?;
        for setting in WITHOUT_TIME_LIMITS {
            sqlx::query(setting).execute(&mut *transaction).await?;
        }
        sqlx::query("select pg_advisory_xact_lock($1)").bind(SEED_LOCK).execute(&mut *transaction).await?;
        let highest = last_seeded(&mut transaction).await?.as_deref().map_or(Ok(0), number_of)?;
        let numbers = next_numbers(highest, target, batch);
        if numbers.is_empty() {
            return Ok(highest);
        }
        let last = *numbers.end();
        let lines = copy_lines(generate(numbers, Timestamp::now()));
        let mut copy = transaction.copy_in_raw(COPY_USERS).await?;
        for chunk in lines.as_bytes().chunks(CHUNK_BYTES) {
            copy.send(chunk).await?;
        }
        copy.finish().await?;
        transaction.commit().await?;
        connection.release();
        Ok(last)
    }
}

/// The address of the generated user with the highest number. Must run in a transaction, because it changes settings of
/// the transaction.
async fn last_seeded(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    for setting in READ_ONE_INDEX_ENTRY {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    let query = sqlx::query_scalar(LAST_SEEDED).bind(FIRST_ADDRESS).bind(AFTER_LAST_ADDRESS).bind(DOMAIN);
    query.fetch_optional(connection).await
}

/// One line for each user. No field of a generated user contains a character that must be escaped.
fn copy_lines(users: impl Iterator<Item = User>) -> String {
    let mut lines = String::new();
    for User { id, email, name, state, created_at, updated_at } in users {
        let (key, state) = (email.comparison_key(), state.as_str());
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{id}\t{email}\t{key}\t{name}\t{state}\t{created_at}\t{updated_at}");
    }
    lines
}
