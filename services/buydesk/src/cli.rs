//! The words of the command line.

use clap::{Args, Parser, Subcommand};
use common::{
    api::orders::Cursor,
    ids::{IdempotencyKey, OrderId},
    money::{Currency, FiatAmount},
    time::Timestamp,
};

/// Takes orders to buy bitcoin for fiat, records them exactly and shows them back.
///
/// Settings are environment variables, or lines of a file .env in this folder; .env.example lists them all.
#[derive(Debug, Parser)]
#[command(name = "buydesk", version)]
pub struct Arguments {
    /// Print the JSON of the service instead of a table.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all services in this process, on embedded parts unless settings say otherwise.
    Up(Up),
    /// Place and find orders.
    #[command(subcommand)]
    Order(Order),
    /// Show the current price of one bitcoin.
    Price,
    /// Show the current courses of every exchange.
    Rates(Rates),
    /// Show how much of one coin or currency an amount of another is.
    Convert(Convert),
    /// Show how the services are.
    Health,
    /// Fill a database with made-up orders, for trying out and measuring.
    #[command(subcommand)]
    Seed(Seed),
}

#[derive(Debug, Subcommand)]
pub enum Seed {
    /// Add simulated orders to the database of `DATABASE_URL`.
    Orders(SeedOrders),
}

#[derive(Debug, Args)]
pub struct SeedOrders {
    /// How many.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub count: u64,
}

#[derive(Debug, Args)]
pub struct Up {
    /// Add simulated exchanges: everything works with no internet, and every price is marked as simulated.
    #[arg(long)]
    pub demo: bool,
}

#[derive(Debug, Args)]
pub struct Rates {
    /// Exchanges to show, with commas between, such as binance,kraken.
    #[arg(short, long)]
    pub exchangers: Option<String>,
    /// What is priced, with commas between, such as BTC,ETH.
    #[arg(long)]
    pub coins_from: Option<String>,
    /// What it is priced in, with commas between, such as USD,EUR.
    #[arg(long)]
    pub coins_to: Option<String>,
}

#[derive(Debug, Args)]
pub struct Convert {
    /// How much, at most 8 decimals.
    #[arg(allow_hyphen_values = true)]
    pub amount: String,
    /// What it is an amount of, such as BTC.
    pub from: String,
    /// What it is to be shown in, such as EUR.
    pub to: String,
}

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Place an order at the current price.
    Place(Place),
    /// List orders, newest first.
    List(List),
    /// Show one order.
    Get {
        /// The id of the order.
        id: OrderId,
    },
}

#[derive(Debug, Args)]
pub struct Place {
    /// What to pay in, such as EUR.
    #[arg(short, long)]
    pub currency: String,
    /// How much to spend, at most 4 decimals.
    #[arg(short, long, allow_hyphen_values = true)]
    pub amount: String,
    /// Place the order once for this key, however often the command is run; made for you when left out.
    #[arg(short, long)]
    pub key: Option<IdempotencyKey>,
}

#[derive(Debug, Args)]
pub struct List {
    /// Most orders to show.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Go on from where an earlier list ended.
    #[arg(long)]
    pub cursor: Option<Cursor>,
    #[arg(long)]
    pub currency: Option<Currency>,
    /// Accepted at this time or later, such as 2026-01-02T03:04:05Z.
    #[arg(long)]
    pub from: Option<Timestamp>,
    /// Accepted before this time.
    #[arg(long)]
    pub to: Option<Timestamp>,
    #[arg(long)]
    pub min_amount: Option<FiatAmount>,
    #[arg(long)]
    pub max_amount: Option<FiatAmount>,
}

#[cfg(test)]
mod tests;
