//! buydesk: all services in one process, and the command-line client.

mod cli;
mod client;
mod program;
mod seed;
mod table;
mod up;

use std::process::ExitCode;

use clap::Parser;
use common::{config::Env, process};

use self::{
    cli::{Addresses, Arguments, Command, Seed},
    client::{ApiClient, CANNOT_BE_ASKED, error_document},
};

/// The exit code of a command that failed.
const FAILED: u8 = 1;

/// Runs the command of the command line. An error is printed to standard error, and the exit code is 1, or 2 if the command line
/// is invalid or health-check cannot be asked.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return cli::report_invalid_arguments(&error),
    };
    let json = arguments.json;
    let failed = if matches!(arguments.command, Command::Health(_)) { CANNOT_BE_ASKED } else { FAILED };
    // Checked before the runtime starts, because the runtime opens files.
    let descriptors = match arguments.command {
        Command::Up(_) => up::check_descriptors(),
        _ => process::require_descriptors("buydesk", 0),
    };
    match descriptors {
        Ok(descriptors) => process::run("buydesk", async move {
            let result = run_command(arguments, descriptors).await;
            common::telemetry::flush();
            Ok(result.unwrap_or_else(|error| report_error(&error, json, failed)))
        }),
        Err(error) => report_error(&error, json, failed),
    }
}

fn report_error(error: &anyhow::Error, json: bool, exit_code: u8) -> ExitCode {
    if json {
        eprintln!("{}", error_document(error));
    } else {
        process::fail("buydesk", error);
    }
    ExitCode::from(exit_code)
}

/// Runs a command in a process that may open `descriptors` files.
async fn run_command(arguments: Arguments, descriptors: u64) -> anyhow::Result<ExitCode> {
    let Arguments { json, server, credentials, command } = arguments;
    let env = Env::from_process()?;
    if !matches!(command, Command::Up(_)) {
        // `buydesk up` logs them.
        for unknown in env.unknown_settings() {
            client::print_warning("unknown_setting", unknown, json);
        }
    }
    anyhow::ensure!(
        server.is_none() || !matches!(command, Command::Up(_) | Command::Seed(_)),
        "--server is the address of a running platform, which this command does not use"
    );
    anyhow::ensure!(
        credentials.is_empty() || !matches!(command, Command::Up(_) | Command::Seed(_)),
        "--api-key and --operator-token are for a running platform, which this command does not use"
    );
    let connect = |env, health_check| ApiClient::new(env, Addresses { server, health_check }, credentials);
    match command {
        Command::Up(args) => up::run_services(env, &args, descriptors).await?,
        Command::Seed(Seed::Orders(args)) => seed::seed_orders(env, &args).await?,
        Command::Seed(Seed::Users(args)) => seed::seed_users(env, &args).await?,
        Command::Order(command) => client::run_order_command(&connect(env, None)?, command, json).await?,
        Command::Quote(command) => client::run_quote_command(&connect(env, None)?, command, json).await?,
        Command::User(command) => client::run_user_command(&connect(env, None)?, command, json).await?,
        Command::Key(command) => client::run_key_command(&connect(env, None)?, command, json).await?,
        Command::Price => client::show_price(&connect(env, None)?, json).await?,
        Command::Rates(args) => client::show_rates(&connect(env, None)?, args, json).await?,
        Command::Convert(args) => client::show_conversion(&connect(env, None)?, args, json).await?,
        Command::Health(args) => return client::show_health(&connect(env, args.health_check)?, json).await,
    }
    Ok(ExitCode::SUCCESS)
}
