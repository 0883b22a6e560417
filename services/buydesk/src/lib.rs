//! buydesk: all services in one process, and the command-line client.

mod cli;
mod client;
mod seed;
mod table;
mod up;

use std::process::ExitCode;

use clap::Parser;
use common::{config::Env, process};

use self::{
    cli::{Arguments, Command, Seed},
    client::{ApiClient, error_document},
};

/// Runs the command of the command line. An error is printed to standard error, and the exit code is 1, or 2 if the command line
/// is invalid.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return cli::report_invalid_arguments(&error),
    };
    let json = arguments.json;
    // Checked before the runtime starts, because the runtime opens files.
    let descriptors = match arguments.command {
        Command::Up(_) => up::check_descriptors(),
        _ => process::require_descriptors("buydesk", 0),
    };
    match descriptors {
        Ok(descriptors) => process::run("buydesk", async move {
            let result = run_command(arguments, descriptors).await;
            common::telemetry::flush();
            result.or_else(|error| if json { Ok(report_as_json(&error)) } else { Err(error) })
        }),
        Err(error) if json => report_as_json(&error),
        Err(error) => process::fail("buydesk", &error),
    }
}

fn report_as_json(error: &anyhow::Error) -> ExitCode {
    eprintln!("{}", error_document(error));
    ExitCode::FAILURE
}

/// Runs a command in a process that may open `descriptors` files.
async fn run_command(Arguments { json, command }: Arguments, descriptors: u64) -> anyhow::Result<ExitCode> {
    let env = Env::from_process()?;
    if !matches!(command, Command::Up(_)) {
        // `buydesk up` logs them.
        for unknown in env.unknown_settings() {
            client::print_warning("unknown_setting", unknown, json);
        }
    }
    match command {
        Command::Up(args) => up::run_services(env, &args, descriptors).await?,
        Command::Seed(Seed::Orders(args)) => seed::seed_orders(env, &args).await?,
        Command::Order(command) => client::run_order_command(&ApiClient::new(env)?, command, json).await?,
        Command::Quote(command) => client::run_quote_command(&ApiClient::new(env)?, command, json).await?,
        Command::Price => client::show_price(&ApiClient::new(env)?, json).await?,
        Command::Rates(args) => client::show_rates(&ApiClient::new(env)?, args, json).await?,
        Command::Convert(args) => client::show_conversion(&ApiClient::new(env)?, args, json).await?,
        Command::Health => return client::show_health(&ApiClient::new(env)?, json).await,
    }
    Ok(ExitCode::SUCCESS)
}
