//! The commands and options of `buydesk load`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use common::money::Currency;

use super::{plain_number, whole_number};

#[derive(Debug, Subcommand)]
pub enum LoadCommand {
    /// Place orders, each with an idempotency key.
    ///
    /// By default, the command checks at the end that every acknowledged order is stored exactly once. The exit code is 1
    /// if a response was unexpected or if the check found a violation.
    Orders(OrderLoadArgs),
    /// Read orders: pages, single orders and the summary.
    ///
    /// The exit code is 1 if a response was unexpected.
    Reads(ReadLoadArgs),
    /// Deposit, withdraw and transfer money of new wallets, each with an idempotency key.
    ///
    /// By default, the command checks at the end that every acknowledged operation is listed exactly once, and that the
    /// balances are the sums of the operations. The exit code is 1 if a response was unexpected or if the check found a
    /// violation.
    Wallets(WalletLoadArgs),
    /// Read prices, conversions and all courses.
    ///
    /// The exit code is 1 if a response was unexpected.
    Prices(PriceLoadArgs),
    /// Create users, and find users by id and by e-mail address, as an operator.
    ///
    /// The exit code is 1 if a response was unexpected.
    Users(UserLoadArgs),
    /// Compare two reports in JSON: print the ratio of each measure, and whether the difference is within noise.
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
pub struct PriceLoadArgs {
    #[command(flatten)]
    pub load: LoadOptions,
    /// Currency of the prices.
    #[arg(long, default_value = "EUR")]
    pub currency: Currency,
}

#[derive(Debug, Args)]
pub struct UserLoadArgs {
    #[command(flatten)]
    pub load: LoadOptions,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The report of the baseline.
    #[arg(value_name = "A.json")]
    pub a: PathBuf,
    /// The report to compare with the baseline.
    #[arg(value_name = "B.json")]
    pub b: PathBuf,
}

#[derive(Debug, Args)]
pub struct OrderLoadArgs {
    #[command(flatten)]
    pub load: LoadOptions,
    /// Currency of the orders.
    #[arg(long, default_value = "EUR")]
    pub currency: Currency,
    /// Amount of each order.
    #[arg(long, default_value = "0.01", allow_hyphen_values = true, value_parser = plain_number)]
    pub amount: String,
    /// Which of the acknowledged orders are checked at the end.
    #[arg(long, value_enum, default_value_t = CheckScope::All)]
    pub check: CheckScope,
}

#[derive(Debug, Args)]
pub struct ReadLoadArgs {
    #[command(flatten)]
    pub load: LoadOptions,
}

#[derive(Debug, Args)]
pub struct WalletLoadArgs {
    #[command(flatten)]
    pub load: LoadOptions,
    /// Number of wallets that the command creates and uses.
    #[arg(long, default_value_t = 16, allow_negative_numbers = true, value_parser = whole_number(1..=1000_u32))]
    pub wallets: u32,
    /// Currency of the wallets.
    #[arg(long, default_value = "USD")]
    pub currency: Currency,
    /// Which of the acknowledged operations are checked at the end.
    #[arg(long, value_enum, default_value_t = CheckScope::All)]
    pub check: CheckScope,
}

/// Which acknowledged changes are looked up at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckScope {
    /// Check all changes.
    All,
    /// Check at most 1000 changes.
    Sample,
    /// Check no changes.
    None,
}

/// The options of every kind of load.
#[derive(Debug, Clone, Args)]
pub struct LoadOptions {
    /// Closed model: number of connections, each of which sends its next request when it has received the response to its last
    /// request. The default is 16.
    #[arg(
        short, long, value_name = "N", conflicts_with = "rate", allow_negative_numbers = true,
        value_parser = whole_number(1..=100_000_u32)
    )]
    pub connections: Option<u32>,
    /// Open model: requests per second. Each request is sent when it is due, whether or not earlier requests have a
    /// response. The latency counts from the time when the request was due.
    #[arg(short, long, value_name = "PER_SECOND", allow_negative_numbers = true, value_parser = whole_number(1..=1_000_000_u32))]
    pub rate: Option<u32>,
    /// Maximum number of requests without a response in the open model. Further requests wait.
    #[arg(
        long, value_name = "N", default_value_t = 512, conflicts_with = "connections", allow_negative_numbers = true,
        value_parser = whole_number(1..=100_000_u32)
    )]
    pub max_in_flight: u32,
    /// How long requests are measured, such as 30s, 2m or 500ms.
    #[arg(short, long, value_name = "TIME", default_value = "10s", allow_hyphen_values = true, value_parser = parse_duration)]
    pub duration: Duration,
    /// How long requests are sent before they are measured, such as 5s.
    #[arg(long, value_name = "TIME", default_value = "0s", allow_hyphen_values = true, value_parser = parse_duration)]
    pub warm_up: Duration,
    /// How long to wait for a response.
    #[arg(long, value_name = "TIME", default_value = "20s", allow_hyphen_values = true, value_parser = parse_duration)]
    pub timeout: Duration,
    /// Write the report to this file: as a page with charts if its name ends with .html, and as JSON if it ends with .json. The
    /// option may be repeated.
    #[arg(long, value_name = "FILE", value_parser = parse_report_file)]
    pub report: Vec<ReportFile>,
    /// Do not ask for confirmation if the platform is not a demo.
    #[arg(short, long)]
    pub yes: bool,
    /// Permit more than 256 connections, 5000 requests per second, 1024 requests in flight or 15 minutes.
    #[arg(long)]
    pub allow_more: bool,
}

/// A file to which a report is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    pub path: PathBuf,
    pub format: ReportFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    Html,
    Json,
}

fn parse_report_file(text: &str) -> Result<ReportFile, String> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let format = match extension.as_deref() {
        Some("html" | "htm") => ReportFormat::Html,
        Some("json") => ReportFormat::Json,
        _ => return Err("must end with .html or .json".to_owned()),
    };
    Ok(ReportFile { path, format })
}

/// Maximum of each duration.
const MAX_DURATION: Duration = Duration::from_hours(24);

/// Parses a whole number with a unit: `ms`, `s`, `m` or `h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = match (unit, digits) {
        ("", 1..) => return Err(format!("has no unit: must be {text} with ms, s, m or h, such as {text}s")),
        ("ms", 1..) => 1,
        ("s", 1..) => 1000,
        ("m", 1..) => 60_000,
        ("h", 1..) => 3_600_000,
        _ => return Err("must be a whole number with ms, s, m or h, such as 500ms, 30s, 2m or 1h".to_owned()),
    };
    let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).map(Duration::from_millis);
    millis.filter(|duration| *duration <= MAX_DURATION).ok_or_else(|| "must be at most a day, which is 24h".to_owned())
}
