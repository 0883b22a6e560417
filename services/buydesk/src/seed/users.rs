//! `buydesk seed users`: fills the customer directory with generated users.
//!
//! The generated users are numbered. Each transaction adds a batch of users after the highest stored number, so that an
//! interrupted command can be run again to continue.

use anyhow::anyhow;
use common::config::Env;
use db_proxy::{database::Database, users::UserStore};
use serde_json::json;

use super::{PreparedDatabase, prepare, progress_bar};
use crate::{
    cli::SeedOptions,
    client::{ClientError, print_line},
};

/// Adds generated users to the database of `DATABASE_URL`, until there are as many as requested.
pub async fn seed_users(env: Env, options: &SeedOptions, json: bool) -> anyhow::Result<()> {
    let prepared = prepare(env, options, "generated users", json).await?;
    let Some(PreparedDatabase { database, .. }) = prepared else { return Ok(()) };
    let store = UserStore::new(&database);
    let before = store.seeded_users().await.map_err(|error| anyhow!(error.chain()))?;
    let mut stored = before;
    let bar = progress_bar(options.count.max(before), "users")?;
    bar.set_position(before);
    // The displayed speed must not count the users that an earlier command stored.
    bar.reset_eta();
    while stored < options.count {
        let seeded = store.seed_users(options.count, max_batch(&database)).await;
        stored = seeded.map_err(|error| {
            let message = format!("Not all users were stored: {}.", error.chain());
            ClientError::new("users_not_stored", message, "Run the command again to continue.")
        })?;
        bar.set_position(stored);
    }
    bar.finish();
    let added = stored - before;
    if json {
        print_line(&json!({ "added": added, "generated_users": stored }).to_string())?;
    } else {
        print_line(&format!("The database now contains {stored} generated users. This command added {added}."))?;
    }
    database.close().await;
    Ok(())
}

/// Maximum number of users in one transaction. PostgreSQL copies rows in a stream. SQLite receives the rows as one JSON text,
/// and a larger transaction would need a larger write-ahead log.
fn max_batch(database: &Database) -> u64 {
    match database {
        Database::Postgres(_) => 50_000,
        Database::Sqlite(_) => 10_000,
    }
}
