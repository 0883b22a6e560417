//! The commands and options of the command line.

mod users;

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use clap::{
    ArgGroup, Args, Parser, Subcommand,
    builder::{NonEmptyStringValueParser, TypedValueParser},
};
use common::{
    api::orders::{ClientReference, Cursor, MAX_PAGE},
    config::{HTTP_URL, Secret, parse_http_url},
    ids::{IdempotencyKey, OrderId, QuoteId, UserId},
    money::{Currency, FiatAmount},
    time::Timestamp,
};
use url::Url;

pub use self::users::{CreateKeyArgs, KeyCommand, ListUsersArgs, UserCommand, UserReference};

/// Lines of the help are not longer, also on a wider terminal.
const HELP_WIDTH: usize = 80;

/// Places, stores and shows orders to buy bitcoin for fiat money.
///
/// Settings are environment variables or lines of the file .env in the current folder. The file .env.example lists all
/// settings.
#[derive(Debug, Parser)]
#[command(name = "buydesk", version, max_term_width = HELP_WIDTH)]
pub struct Arguments {
    /// Print the JSON of the service instead of a table. Errors are JSON on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// Address of a running platform, such as `https://shop.example`. `BUYDESK_URL` sets it too.
    #[arg(long, global = true, value_name = "URL", value_parser = address("http://127.0.0.1:8001"))]
    pub server: Option<Url>,
    #[command(flatten)]
    pub credentials: CredentialOptions,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all services in this process, by default with SQLite and an in-memory price cache.
    Up(UpArgs),
    /// Place and show orders.
    #[command(subcommand)]
    Order(OrderCommand),
    /// Create, show and cancel quotes. A quote is a price that is valid for some seconds.
    #[command(subcommand)]
    Quote(QuoteCommand),
    /// Create, show, list and change users, as an operator. A user may show itself.
    #[command(subcommand)]
    User(UserCommand),
    /// Create, list and revoke API keys, as an operator. A user may list its own keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Show the current price of one bitcoin, and whether orders are accepted at it.
    Price,
    /// Show the current courses of all exchanges.
    Rates(RatesArgs),
    /// Convert an amount from one currency or coin to another.
    Convert(ConvertArgs),
    /// Show whether orders are accepted, what is wrong, and the state of all services.
    ///
    /// The exit code is 0 if the status is ok and orders are accepted, 1 if not, and 2 if health-check cannot be asked.
    Health(HealthArgs),
    /// Fill a database with generated orders or users, for tests and measurements.
    #[command(subcommand)]
    Seed(Seed),
}

#[derive(Debug, Subcommand)]
pub enum Seed {
    /// Add simulated orders to the database of `DATABASE_URL`, by default to that of `buydesk up --demo`. A database of real
    /// orders is refused.
    Orders(SeedOptions),
    /// Add generated users to the same database until there are as many as requested. An interrupted command continues when it is
    /// repeated. A database of real orders is refused.
    Users(SeedOptions),
}

#[derive(Debug, Args)]
pub struct SeedOptions {
    /// Number of orders to add, or number of generated users that the database has afterwards.
    #[arg(long, value_parser = whole_number(1..=100_000_000_u64))]
    pub count: u64,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// Add simulated exchanges. They need no internet, and their prices are marked as simulated. Orders are stored in a database
    /// of their own, database/data/demo.db, unless `DATABASE_URL` is set.
    #[arg(long)]
    pub demo: bool,
}

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Address of health-check. By default, its port on the host of --server. `HEALTH_CHECK_URL` sets it too.
    #[arg(long, value_name = "URL", value_parser = address("http://127.0.0.1:8050"))]
    pub health_check: Option<Url>,
}

/// The credentials that the command line names. Other users of the machine may see the command line, so the settings are safer.
#[derive(Debug, Clone, Default, Args)]
pub struct CredentialOptions {
    /// API key to act as a user. `BUYDESK_API_KEY` sets it too, and hides it from other users of this machine.
    #[arg(long, global = true, value_name = "KEY", value_parser = secret())]
    pub api_key: Option<Secret>,
    /// Token to act as an operator. `OPERATOR_TOKEN` sets it too, and hides it from other users of this machine.
    #[arg(long, global = true, value_name = "TOKEN", value_parser = secret(), conflicts_with = "api_key")]
    pub operator_token: Option<Secret>,
}

impl CredentialOptions {
    pub fn is_empty(&self) -> bool {
        self.api_key.is_none() && self.operator_token.is_none()
    }
}

/// Accepts every text, because an error would show it.
fn secret() -> impl TypedValueParser<Value = Secret> {
    NonEmptyStringValueParser::new().map(Secret::new)
}

/// The addresses that the command line names.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    pub server: Option<Url>,
    pub health_check: Option<Url>,
}

#[derive(Debug, Args)]
pub struct RatesArgs {
    /// Exchanges to show, separated by commas, such as binance,kraken.
    #[arg(short, long)]
    pub exchangers: Option<String>,
    /// Base currencies or coins to show, separated by commas, such as BTC,ETH.
    #[arg(long)]
    pub coins_from: Option<String>,
    /// Quote currencies or coins to show, separated by commas, such as USD,EUR.
    #[arg(long)]
    pub coins_to: Option<String>,
}

#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// Amount to convert, at most 8 decimals.
    #[arg(allow_hyphen_values = true)]
    pub amount: String,
    /// Currency or coin of the amount, such as BTC.
    pub from: String,
    /// Currency or coin of the result, such as EUR.
    pub to: String,
}

#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Place an order at the current price, or at the price of a quote.
    Place(PlaceArgs),
    /// List orders, newest first.
    List(ListArgs),
    /// Show one order.
    Get {
        /// Id of the order.
        id: OrderId,
    },
}

#[derive(Debug, Args)]
#[command(
    override_usage = "buydesk order place --currency <CURRENCY> --amount <AMOUNT> [OPTIONS]\n       \
                      buydesk order place --currency <CURRENCY> --bitcoin <BITCOIN> [OPTIONS]\n       \
                      buydesk order place --quote <QUOTE> [OPTIONS]",
    group = ArgGroup::new("bought").args(["amount", "bitcoin", "quote"]).required(true)
)]
pub struct PlaceArgs {
    /// Currency to pay in, such as EUR.
    #[arg(short, long, required_unless_present = "quote")]
    pub currency: Option<String>,
    /// Amount to pay, at most 4 decimals.
    #[arg(short, long, allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// Bitcoin to buy instead of an amount, at most 8 decimals.
    #[arg(short, long, allow_hyphen_values = true)]
    pub bitcoin: Option<String>,
    /// Id of the quote to take, instead of currency and amount.
    #[arg(short, long, conflicts_with = "currency")]
    pub quote: Option<QuoteId>,
    /// Your reference for the order, such as the number of an invoice.
    #[arg(short, long)]
    pub reference: Option<String>,
    /// A note on the order as NAME=VALUE. May be repeated.
    #[arg(short, long, value_parser = parse_pair)]
    pub metadata: Vec<MetadataPair>,
    /// Idempotency key. Commands with the same key place one order. Generated if omitted.
    #[arg(short, long)]
    pub key: Option<IdempotencyKey>,
}

/// A name and a value of the metadata.
#[derive(Debug, Clone)]
pub struct MetadataPair {
    pub name: String,
    pub value: String,
}

fn parse_pair(text: &str) -> Result<MetadataPair, String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE, such as cart=7")?;
    Ok(MetadataPair { name: name.to_owned(), value: value.to_owned() })
}

/// Parses an address such as `example`.
fn address(example: &'static str) -> impl Fn(&str) -> Result<Url, String> + Clone {
    move |text| parse_http_url(text).ok_or_else(|| format!("must be {HTTP_URL}, such as {example}"))
}

/// Parses a whole number of this range.
fn whole_number<N>(range: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

#[derive(Debug, Subcommand)]
pub enum QuoteCommand {
    /// Create a quote: reserve the current price.
    Create(CreateQuoteArgs),
    /// Show a quote, and whether it is open, taken, expired or released.
    Get {
        /// Id of the quote.
        id: QuoteId,
    },
    /// Release the reservation of a quote that is not needed any more.
    Cancel {
        /// Id of the quote.
        id: QuoteId,
    },
}

#[derive(Debug, Args)]
#[command(
    override_usage = "buydesk quote create --currency <CURRENCY> --amount <AMOUNT> [OPTIONS]\n       \
                      buydesk quote create --currency <CURRENCY> --bitcoin <BITCOIN> [OPTIONS]",
    group = ArgGroup::new("bought").args(["amount", "bitcoin"]).required(true)
)]
pub struct CreateQuoteArgs {
    /// Currency to pay in, such as EUR.
    #[arg(short, long)]
    pub currency: String,
    /// Amount to pay, at most 4 decimals.
    #[arg(short, long, allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// Bitcoin to buy instead of an amount, at most 8 decimals.
    #[arg(short, long, allow_hyphen_values = true)]
    pub bitcoin: Option<String>,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Maximum number of orders to show.
    #[arg(short, long, default_value_t = 20, value_parser = whole_number(1..=MAX_PAGE))]
    pub limit: u32,
    /// Continue an earlier list: the cursor that it ended with.
    #[arg(long)]
    pub cursor: Option<Cursor>,
    /// Orders in this currency.
    #[arg(long)]
    pub currency: Option<Currency>,
    /// Orders accepted at this time or later, such as 2026-01-02T03:04:05Z.
    #[arg(long)]
    pub from: Option<Timestamp>,
    /// Orders accepted before this time.
    #[arg(long)]
    pub to: Option<Timestamp>,
    /// Orders of this amount or more.
    #[arg(long)]
    pub min_amount: Option<FiatAmount>,
    /// Orders of this amount or less.
    #[arg(long)]
    pub max_amount: Option<FiatAmount>,
    /// Orders with exactly this reference.
    #[arg(long)]
    pub reference: Option<ClientReference>,
    /// Orders of this user. Only an operator may list the orders of others.
    #[arg(long)]
    pub user: Option<UserId>,
}

#[cfg(test)]
mod tests;
