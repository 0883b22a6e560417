//! buydesk: all services in one process, and the command line for those who use them.

mod cli;
mod client;
mod seed;
mod up;

use std::process::ExitCode;

use clap::Parser;
use common::config::Env;

use self::cli::{Arguments, Command, Seed};

/// The whole of the program. What a person did wrong goes to the standard error in a sentence, with the exit code 1.
pub async fn main() -> ExitCode {
    let result = run(Arguments::parse()).await;
    common::telemetry::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("buydesk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let env = Env::from_process()?;
    match arguments.command {
        Command::Up(options) => up::run(env, &options).await,
        Command::Order(command) => client::order(&client::Client::new(env)?, command, arguments.json).await,
        Command::Seed(Seed::Orders(options)) => seed::orders(env, &options).await,
        Command::Price => client::price(&client::Client::new(env)?, arguments.json).await,
        Command::Rates(filters) => client::rates(&client::Client::new(env)?, filters, arguments.json).await,
        Command::Convert(wish) => client::convert(&client::Client::new(env)?, wish, arguments.json).await,
        Command::Health => client::health(&client::Client::new(env)?, arguments.json).await,
    }
}
