//! Generated users in an SQLite file.

use common::time::Timestamp;
use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    SqliteUsers,
    statements::{INSERT_SEEDED, LAST_SEEDED},
};
use crate::{
    database::{DatabaseError, rows::sqlite::to_hex},
    users::seeding::{AFTER_LAST_ADDRESS, DOMAIN, FIRST_ADDRESS, generate, next_numbers, number_of},
};

impl SqliteUsers {
    pub(in super::super) async fn seeded_users(&self) -> Result<u64, DatabaseError> {
        let last = last_seeded(&mut *self.database.readers.acquire().await?).await?;
        last.as_deref().map_or(Ok(0), number_of)
    }

    pub(in super::super) async fn seed_users(&self, target: u64, batch: u64) -> Result<u64, DatabaseError> {
        self.writes.run(move |connection| Box::pin(insert_seeded(connection, target, batch))).await
    }
}

async fn insert_seeded(connection: &mut SqliteConnection, target: u64, batch: u64) -> Result<u64, DatabaseError> {
    let highest = last_seeded(connection).await?.as_deref().map_or(Ok(0), number_of)?;
    let numbers = next_numbers(highest, target, batch);
    if numbers.is_empty() {
        return Ok(highest);
    }
    let last = *numbers.end();
    let users: Vec<_> = generate(numbers, Timestamp::now())
        .map(|user| (to_hex(&user.id.0), user.email, user.name, user.created_at.micros()))
        .collect();
    sqlx::query(INSERT_SEEDED).bind(json!(users).to_string()).execute(connection).await?;
    Ok(last)
}

async fn last_seeded(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    let query = sqlx::query_scalar(LAST_SEEDED).bind(FIRST_ADDRESS).bind(AFTER_LAST_ADDRESS).bind(DOMAIN);
    query.fetch_optional(connection).await
}
