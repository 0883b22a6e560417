//! The commands and options of the command line.

mod backup;
mod limit;
mod load;
mod operations;
mod users;
mod wallets;

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use clap::{
    ArgGroup, Args, Parser, Subcommand,
    builder::{NonEmptyStringValueParser, TypedValueParser},
};
use common::{
    api::orders::{ClientReference, Cursor, MAX_PAGE},
    config::{HTTP_URL, Secret, parse_http_url},
    ids::{IdempotencyKey, OrderId, QuoteId, WalletId},
    money::{AmountError, FiatAmount, NumberError, parse_without_exponent},
    time::Timestamp,
};
use url::Url;

pub use self::{
    backup::{BackupArgs, BackupCommand, KeyFileOption, RestoreArgs},
    limit::{LimitCommand, SetLimitArgs},
    load::{
        CheckScope, CompareArgs, LoadCommand, LoadOptions, OrderLoadArgs, PriceLoadArgs, ReportFile, ReportFormat,
        WalletLoadArgs,
    },
    operations::{AddSilenceArgs, HealthCheckArgs, LogsArgs, SilenceCommand},
    users::{CreateKeyArgs, KeyCommand, ListUsersArgs, UpdateKeyArgs, UpdateUserArgs, UserCommand, UserReference},
    wallets::{ListOperationsArgs, ListWalletsArgs, OperationArgs, TransferArgs, VerifyArgs, WalletCommand},
};

/// Maximum width of the help, also on a wider terminal.
const HELP_WIDTH: usize = 80;
/// The heading of the options that every command has, which are listed after the options of the command itself.
const GLOBAL_OPTIONS: &str = "Options of every command";

/// Places, stores and shows orders to buy bitcoin for fiat money.
///
/// Settings are environment variables or lines of the file .env in the current folder, or of the file that the environment
/// variable `SETTINGS_FILE` names. An option takes precedence over an environment variable, and an environment variable over a
/// line of the file. The file .env.example lists all settings.
#[derive(Debug, Parser)]
#[command(name = "buydesk", version, max_term_width = HELP_WIDTH)]
pub struct Arguments {
    /// Print the JSON of the service instead of a table. Errors are JSON on standard error.
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS)]
    pub json: bool,
    /// Address of a running platform, such as `https://shop.example`. The default is the setting `BUYDESK_URL`.
    #[arg(
        long, global = true, help_heading = GLOBAL_OPTIONS, value_name = "URL", value_parser = address("http://127.0.0.1:8001")
    )]
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
    /// Create, show, list and change users, as an operator. A user with an API key may show itself.
    #[command(subcommand)]
    User(UserCommand),
    /// Create, list, change and revoke API keys, as an operator. A user with an API key may list its own keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create and show wallets, and move money: deposit, withdraw and transfer.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Show and set the limit over all orders, as an operator.
    #[command(subcommand)]
    Limit(LimitCommand),
    /// Show the current price of one bitcoin in each currency, and whether orders are accepted.
    Price,
    /// Show the current courses. A course is the last price of one pair at one exchange.
    Rates(RatesArgs),
    /// Convert an amount from one currency or coin to another.
    Convert(ConvertArgs),
    /// Show whether orders are accepted, the faults with advice, and the state of all services.
    ///
    /// The exit code is 0 if the status is ok and orders are accepted, and 1 if not. It is 2 if the command cannot get the
    /// status from health-check.
    Health(HealthCheckArgs),
    /// List the alerts: the fault, since when it exists, and the runbook entry that states what to do.
    Alerts(HealthCheckArgs),
    /// Show the reports of all services: their warnings and errors, and the changes of their states.
    Logs(LogsArgs),
    /// Add, list and remove silences. A silence prevents notifications of alerts, for example during planned maintenance.
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Fill a database with generated orders or users, for tests and measurements.
    #[command(subcommand)]
    Seed(Seed),
    /// Back up the database of `DATABASE_URL` to an encrypted file. The product can run during the backup.
    Backup(BackupArgs),
    /// Restore a backup as a new database, and check it.
    Restore(RestoreArgs),
    /// Send many requests to a running platform, and measure rates and latencies.
    #[command(subcommand)]
    Load(LoadCommand),
}

#[derive(Debug, Subcommand)]
pub enum Seed {
    /// Add simulated orders to the database of `DATABASE_URL`. The default is the database of `buydesk up --demo`. A database
    /// of real orders is refused.
    Orders(SeedOptions),
    /// Add generated users to the database of `DATABASE_URL` until it has `COUNT` of them. The default is the database of
    /// `buydesk up --demo`. A database of real orders is refused. To continue an interrupted command, run it again.
    Users(SeedOptions),
}

#[derive(Debug, Args)]
pub struct SeedOptions {
    /// Number of orders to add. For users: number of generated users in the database after the command.
    #[arg(long, allow_negative_numbers = true, value_parser = whole_number(1..=100_000_000_u64))]
    pub count: u64,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// Use simulated exchanges. They need no internet, and their prices are marked as simulated. Orders are stored in a
    /// separate database, database/data/demo.db, unless `DATABASE_URL` is set. A database of real orders is never used.
    #[arg(long)]
    pub demo: bool,
}

/// The credentials on the command line.
#[derive(Debug, Clone, Default, Args)]
pub struct CredentialOptions {
    /// API key to act as a user. The setting `BUYDESK_API_KEY` is safer: other users of this machine may see the options of a
    /// command.
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS, value_name = "KEY", value_parser = secret())]
    pub api_key: Option<Secret>,
    /// Token to act as an operator. The setting `OPERATOR_TOKEN` is safer: other users of this machine may see the options of a
    /// command.
    #[arg(
        long, global = true, help_heading = GLOBAL_OPTIONS, value_name = "TOKEN", value_parser = secret(),
        conflicts_with = "api_key"
    )]
    pub operator_token: Option<Secret>,
}

impl CredentialOptions {
    pub fn is_empty(&self) -> bool {
        self.api_key.is_none() && self.operator_token.is_none()
    }
}

/// Parses a secret. Accepts any text that is not empty, because an error of clap would print the secret.
fn secret() -> impl TypedValueParser<Value = Secret> {
    NonEmptyStringValueParser::new().map(Secret::new)
}

/// The addresses on the command line.
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
    /// Amount to convert, with at most 8 decimals.
    #[arg(allow_hyphen_values = true, value_parser = plain_number)]
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
    /// Amount to pay, with at most 4 decimals.
    #[arg(short, long, allow_hyphen_values = true, value_parser = plain_number)]
    pub amount: Option<String>,
    /// Bitcoin to buy, instead of an amount to pay, with at most 8 decimals.
    #[arg(short, long, allow_hyphen_values = true, value_parser = plain_number)]
    pub bitcoin: Option<String>,
    /// Id of the quote whose price and amount the order takes, instead of a currency and an amount.
    #[arg(short, long, conflicts_with = "currency")]
    pub quote: Option<QuoteId>,
    /// Id of the wallet that pays, in the currency of the order. By default, no wallet pays.
    #[arg(long)]
    pub wallet: Option<WalletId>,
    /// Id of the wallet in BTC that receives the bitcoin. Requires --wallet.
    #[arg(long, value_name = "WALLET", requires = "wallet")]
    pub credit_wallet: Option<WalletId>,
    /// Your reference for the order, such as the number of an invoice.
    #[arg(short, long)]
    pub reference: Option<String>,
    /// A note on the order as NAME=VALUE. The option may be repeated with other names.
    #[arg(short, long, value_parser = parse_pair)]
    pub metadata: Vec<MetadataPair>,
    /// Idempotency key. Commands with the same key place only one order. By default, the command generates a key.
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

/// Refuses a number with an exponent, because `1e5` may be a typing error for `105`, and would mean 100,000. The service checks
/// everything else.
fn plain_number(text: &str) -> Result<String, String> {
    if parse_without_exponent(text) == Err(NumberError::Exponent) {
        return Err("must be written without an exponent, such as 100000 instead of 1e5".to_owned());
    }
    Ok(text.to_owned())
}

fn plain_amount(text: &str) -> Result<FiatAmount, String> {
    plain_number(text)?.parse().map_err(|error: AmountError| error.to_string())
}

/// Returns a parser of HTTP addresses. Its errors contain `example`.
fn address(example: &'static str) -> impl Fn(&str) -> Result<Url, String> + Clone {
    move |text| parse_http_url(text).ok_or_else(|| format!("must be {HTTP_URL}, such as {example}"))
}

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
    /// Create a quote: reserve the current price for an amount.
    Create(CreateQuoteArgs),
    /// Show a quote, and whether it is open, taken, expired or released.
    Get {
        /// Id of the quote.
        id: QuoteId,
    },
    /// Cancel a quote: release its reservation.
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
    /// Amount to pay, with at most 4 decimals.
    #[arg(short, long, allow_hyphen_values = true, value_parser = plain_number)]
    pub amount: Option<String>,
    /// Bitcoin to buy, instead of an amount to pay, with at most 8 decimals.
    #[arg(short, long, allow_hyphen_values = true, value_parser = plain_number)]
    pub bitcoin: Option<String>,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Maximum number of orders to show.
    #[arg(short, long, default_value_t = 20, allow_negative_numbers = true, value_parser = whole_number(1..=MAX_PAGE))]
    pub limit: u32,
    /// Cursor at which the list continues. The previous list ends with a command that contains it.
    #[arg(long)]
    pub cursor: Option<Cursor>,
    /// Show orders in this currency.
    #[arg(long)]
    pub currency: Option<String>,
    /// Show orders that were accepted at this time or later, such as 2026-01-02T03:04:05Z.
    #[arg(long)]
    pub from: Option<Timestamp>,
    /// Show orders that were accepted before this time.
    #[arg(long)]
    pub to: Option<Timestamp>,
    /// Show orders of this amount or more.
    #[arg(long, allow_negative_numbers = true, value_parser = plain_amount)]
    pub min_amount: Option<FiatAmount>,
    /// Show orders of this amount or less.
    #[arg(long, allow_negative_numbers = true, value_parser = plain_amount)]
    pub max_amount: Option<FiatAmount>,
    /// Show orders with exactly this reference.
    #[arg(long)]
    pub reference: Option<ClientReference>,
    /// Show orders of the user with this id or e-mail address. Only an operator may list the orders of other users.
    #[arg(long)]
    pub user: Option<UserReference>,
}

#[cfg(test)]
mod tests;
