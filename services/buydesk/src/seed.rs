//! `buydesk seed`: fills a database with generated rows, for tests and measurements with a large database.
//!
//! The command marks the database as a database of simulated orders, and refuses a database of real orders.

mod orders;
mod users;

use anyhow::anyhow;
use common::{
    api::{Code, orders::OrderOrigin},
    config::Env,
};
use db_proxy::{
    Config,
    database::{Database, DatabaseError, shown_url},
};
use indicatif::{ProgressBar, ProgressStyle};

pub use self::{orders::seed_orders, users::seed_users};
use crate::{
    cli::SeedOptions,
    client::{ClientError, print_warning},
    confirmation,
};

/// An open database to which the command may add rows.
struct PreparedDatabase {
    config: Config,
    database: Database,
}

/// Opens and migrates the database of `DATABASE_URL`, and marks it as a database of simulated orders. Without `--yes`,
/// asks the user first, and returns `None` if the user declines. `rows` names the rows to add, such as `generated
/// users`.
async fn prepare(
    mut env: Env,
    options: &SeedOptions,
    rows: &str,
    json: bool,
) -> anyhow::Result<Option<PreparedDatabase>> {
    env.set_default("INTERNAL_TOKEN", "required by the settings, but not used here");
    for replaced in db_proxy::declare_simulated(&mut env) {
        print_warning(replaced.code(), &replaced, json);
    }
    let config = Config::from_env(&mut env);
    env.finish()?;
    let url = shown_url(config.database_url.expose());
    if !options.yes && !confirm(options.count, rows, &url, json)? {
        println!("Nothing was added.");
        return Ok(None);
    }
    let database = Database::open(config.database_url.expose()).await?;
    database.migrate().await.map_err(|error| database_error(&error))?;
    let claimed = database.claim_origin(Some(OrderOrigin::Simulated)).await;
    claimed.map_err(|error| match error {
        DatabaseError::OtherOrigin { .. } => {
            let message = format!(
                "{url} is a database of real orders. Generated rows cannot be added to it, because they are simulated. Nothing was \
                 added."
            );
            ClientError::new("database_of_real_orders", message, "Set DATABASE_URL to another database.").into()
        }
        error => database_error(&error),
    })?;
    Ok(Some(PreparedDatabase { config, database }))
}

/// The error of a database that cannot be used. It has a next step if the server cannot be reached, or refuses the login
/// or the creation of tables.
fn database_error(error: &DatabaseError) -> anyhow::Error {
    let (message, next_step) = match error {
        DatabaseError::Unreachable(unreachable) => {
            (unreachable.to_string(), "Start the server, or correct DATABASE_URL.".to_owned())
        }
        DatabaseError::LoginRefused(refused) => {
            let reason = refused.reason.to_string();
            // The text contains the reason, and then the remedy.
            let (reason, remedy) = reason.split_once(". ").unwrap_or((&reason, "Correct DATABASE_URL"));
            (format!("PostgreSQL at {} refuses the login: {reason}", refused.address), format!("{remedy}."))
        }
        DatabaseError::NoSchemaPrivilege(fault) => {
            let message = format!("The tables cannot be created: {}. Nothing was added.", fault.reason());
            return ClientError::new("missing_privilege", message, format!("{}.", fault.remedy())).into();
        }
        error => return anyhow!(error.chain()),
    };
    ClientError::new(Code::DatabaseUnavailable.as_str(), format!("{message}. Nothing was added."), next_step).into()
}

fn progress_bar(count: u64, rows: &str) -> anyhow::Result<ProgressBar> {
    let template = format!("{{wide_bar}} {{human_pos}}/{{human_len}} {rows}, {{per_sec}}, {{eta}} left");
    Ok(ProgressBar::new(count).with_style(ProgressStyle::with_template(&template)?))
}

/// Asks on the terminal whether to add the rows.
fn confirm(count: u64, rows: &str, database: &str, json: bool) -> anyhow::Result<bool> {
    let effect = format!("This command adds up to {count} {rows} to {database}, and they cannot be removed.");
    confirmation::ask(&effect, json)
}
