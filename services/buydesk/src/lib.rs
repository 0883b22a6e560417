//! The program `buydesk`: runs all services in one process, and is the command-line client.

mod backup;
mod cli;
mod client;
mod confirmation;
mod load;
mod program;
mod seed;
mod table;
mod up;
mod usage_errors;

use std::process::ExitCode;

use clap::Parser;
use common::{config::Env, process};

use self::{
    cli::{Addresses, Arguments, BackupArgs, BackupCommand, Command, Seed, WalletCommand},
    client::{ApiClient, ClientError, STATUS_UNAVAILABLE, VERIFICATION_INCOMPLETE, error_document},
};

/// The exit code of a command that failed, unless the command has an exit code of its own.
const FAILED: u8 = 1;
/// The exit code if an argument is invalid. clap exits with the same code.
const INVALID_ARGUMENT: u8 = 2;

/// Runs the command of the command line, and prints its error to standard error. The exit codes of errors are:
/// - 2 if an argument is invalid, if `buydesk health` cannot get the status from health-check, or if `buydesk wallet
///   verify` does not reach the end of the journal.
/// - 126 if `buydesk backup fetch-wal` fails for any reason except a missing file.
/// - 1 for the other errors.
pub fn main() -> ExitCode {
    if let Some(error) = usage_errors::not_utf8(&std::env::args_os().skip(1).collect::<Vec<_>>()) {
        return report_error(&error.into(), requests_json(), code_of_invalid_argument());
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage_errors::report(error, requests_json(), code_of_invalid_argument()),
    };
    let json = arguments.json;
    let failed = match arguments.command {
        Command::Health(_) => STATUS_UNAVAILABLE,
        Command::Wallet(WalletCommand::Verify(_)) => VERIFICATION_INCOMPLETE,
        Command::Backup(BackupArgs { command: Some(BackupCommand::FetchWal { .. }), .. }) => backup::RECOVERY_MUST_STOP,
        _ => FAILED,
    };
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

/// The exit code of an invalid command line. PostgreSQL runs `buydesk backup fetch-wal`, and would interpret 2 as the
/// end of the archive.
fn code_of_invalid_argument() -> u8 {
    let arguments: Vec<_> = std::env::args_os().collect();
    let fetches_wal = arguments.windows(2).any(|pair| pair[0] == "backup" && pair[1] == "fetch-wal");
    if fetches_wal { backup::RECOVERY_MUST_STOP } else { INVALID_ARGUMENT }
}

/// Whether the command line requests JSON, even if it is invalid otherwise.
fn requests_json() -> bool {
    std::env::args_os().skip(1).any(|argument| argument == "--json")
}

fn report_error(error: &anyhow::Error, json: bool, exit_code: u8) -> ExitCode {
    if json {
        eprintln!("{}", error_document(error));
    } else {
        process::fail("buydesk", error);
    }
    ExitCode::from(exit_code_of(error, exit_code))
}

/// The exit code of an error: 2 if an argument is invalid, and otherwise `failed`. `buydesk backup fetch-wal` does not
/// exit with 2.
fn exit_code_of(error: &anyhow::Error, failed: u8) -> u8 {
    let is_invalid = error.downcast_ref::<ClientError>().is_some_and(ClientError::is_invalid_argument);
    if is_invalid && failed != backup::RECOVERY_MUST_STOP { INVALID_ARGUMENT } else { failed }
}

/// Refuses the options of client commands, for a command that uses no running platform.
fn refuse_client_options(has_server: bool, has_credentials: bool) -> Result<(), ClientError> {
    let options = match (has_server, has_credentials) {
        (true, _) => "--server is the address of",
        (false, true) => "--api-key and --operator-token are for",
        (false, false) => return Ok(()),
    };
    let message = format!("{options} a running platform, which this command does not use");
    Err(ClientError::invalid_arguments(message))
}

/// Runs a command. `descriptors` is the maximum number of open files of the process.
async fn run_command(arguments: Arguments, descriptors: u64) -> anyhow::Result<ExitCode> {
    let Arguments { json, server, credentials, command } = arguments;
    let mut env = Env::from_process()?;
    if !matches!(command, Command::Up(_)) {
        // `buydesk up` logs the warnings itself.
        for warning in env.take_warnings() {
            client::print_warning(warning.code(), &warning, json);
        }
    }
    if matches!(command, Command::Up(_) | Command::Seed(_) | Command::Backup(_) | Command::Restore(_)) {
        refuse_client_options(server.is_some(), !credentials.is_empty())?;
    }
    let connect = |env, health_check| ApiClient::new(env, Addresses { server, health_check }, credentials);
    match command {
        Command::Up(args) => Box::pin(up::run_services(env, &args, descriptors)).await?,
        Command::Seed(Seed::Orders(args)) => seed::seed_orders(env, &args, json).await?,
        Command::Seed(Seed::Users(args)) => seed::seed_users(env, &args, json).await?,
        Command::Backup(args) => return backup::run_backup_command(env, args, json).await,
        Command::Restore(args) => return backup::run_restore_command(env, args, json).await,
        Command::Order(command) => client::run_order_command(&connect(env, None)?, command, json).await?,
        Command::Quote(command) => client::run_quote_command(&connect(env, None)?, command, json).await?,
        Command::User(command) => client::run_user_command(&connect(env, None)?, command, json).await?,
        Command::Key(command) => client::run_key_command(&connect(env, None)?, command, json).await?,
        Command::Wallet(command) => return client::run_wallet_command(&connect(env, None)?, command, json).await,
        Command::Limit(command) => client::run_limit_command(&connect(env, None)?, command, json).await?,
        Command::Load(command) => return load::run_load_command(&connect(env, None)?, command, json).await,
        Command::Price => client::show_price(&connect(env, None)?, json).await?,
        Command::Rates(args) => client::show_rates(&connect(env, None)?, args, json).await?,
        Command::Convert(args) => client::show_conversion(&connect(env, None)?, args, json).await?,
        Command::Health(args) => return client::show_health(&connect(env, args.health_check)?, json).await,
        Command::Alerts(args) => client::show_alerts(&connect(env, args.health_check)?, json).await?,
        Command::Logs(args) => {
            client::show_logs(&connect(env, args.health_check.health_check.clone())?, &args, json).await?;
        }
        Command::Silence(command) => {
            client::run_silence_command(&connect(env, command.health_check())?, command, json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
