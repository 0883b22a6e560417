//! `buydesk seed users`: fills the directory with users.
//!
//! Each batch is a transaction, which continues after the highest number of a generated user. A command that was interrupted
//! continues when it is repeated.

use anyhow::{Context, anyhow};
use common::config::Env;
use db_proxy::{database::Database, users::UserStore};

use super::{Prepared, prepare, progress_bar};
use crate::cli::SeedOptions;

/// Adds generated users to the database of `DATABASE_URL`, until there are as many as requested.
pub async fn seed_users(env: Env, options: &SeedOptions) -> anyhow::Result<()> {
    let Some(Prepared { database, .. }) = prepare(env, options, "generated users").await? else { return Ok(()) };
    let store = UserStore::new(&database);
    let before = store.seeded_users().await.map_err(|error| anyhow!(error.chain()))?;
    let mut stored = before;
    let bar = progress_bar(options.count.max(before), "users")?;
    bar.set_position(before);
    // The rate is that of this run.
    bar.reset_eta();
    while stored < options.count {
        let seeded = store.seed_users(options.count, max_batch(&database)).await;
        stored = seeded
            .map_err(|error| anyhow!(error.chain()))
            .context("the users were not stored; repeat the command to continue")?;
        bar.set_position(stored);
    }
    bar.finish();
    println!("The database now holds {stored} generated users, {} of them new.", stored - before);
    database.close().await;
    Ok(())
}

/// Maximum number of users in one transaction. PostgreSQL copies rows in a stream. SQLite receives them as one JSON text, and a
/// larger transaction would need a larger write-ahead log.
fn max_batch(database: &Database) -> u64 {
    match database {
        Database::Postgres(_) => 50_000,
        Database::Sqlite(_) => 10_000,
    }
}
