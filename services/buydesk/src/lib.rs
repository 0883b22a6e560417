//! buydesk: all services in one process, and the command-line client.

mod cli;
mod client;
mod seed;
mod up;

use std::process::ExitCode;

use clap::Parser;
use common::config::Env;

use self::{
    cli::{Arguments, Command, Seed},
    client::ApiClient,
};

/// Runs the command of the command line. An error is printed to standard error, and the exit code is 1.
pub async fn main() -> ExitCode {
    let result = run_command(Arguments::parse()).await;
    common::telemetry::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("buydesk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(Arguments { json, command }: Arguments) -> anyhow::Result<()> {
    let env = Env::from_process()?;
    match command {
        Command::Up(args) => up::run_services(env, &args).await,
        Command::Seed(Seed::Orders(args)) => seed::seed_orders(env, &args).await,
        Command::Order(command) => client::run_order_command(&ApiClient::new(env)?, command, json).await,
        Command::Price => client::show_price(&ApiClient::new(env)?, json).await,
        Command::Rates(args) => client::show_rates(&ApiClient::new(env)?, args, json).await,
        Command::Convert(args) => client::show_conversion(&ApiClient::new(env)?, args, json).await,
        Command::Health => client::show_health(&ApiClient::new(env)?, json).await,
    }
}
