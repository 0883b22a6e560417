//! The client commands. Each command sends requests to services, and prints the response as text or as JSON.

mod account;
mod alerts;
mod api_client;
mod attempts;
mod credentials;
mod endpoint;
mod error;
mod health;
mod keys;
mod limit;
mod logs;
mod orders;
mod price;
mod quotes;
mod render;
#[cfg(test)]
pub mod scripted_service;
mod users;
mod wallets;

use common::api::rates::{Conversion, ExchangerCourses};

use self::error::{FieldOption, naming_options};
pub use self::{
    alerts::{run_silence_command, show_alerts},
    api_client::{ApiClient, print_line},
    endpoint::Endpoint,
    error::{ClientError, error_document, print_warning},
    health::{STATUS_UNAVAILABLE, show_health},
    keys::run_key_command,
    limit::run_limit_command,
    logs::show_logs,
    orders::run_order_command,
    price::show_price,
    quotes::run_quote_command,
    users::run_user_command,
    wallets::{VERIFICATION_INCOMPLETE, VIOLATIONS_FOUND, describe_violation, journal_summary, run_wallet_command},
};
use crate::cli::{ConvertArgs, RatesArgs};

/// The options of `buydesk rates`.
const RATES_OPTIONS: &[FieldOption] = &[
    FieldOption { field: "exchangers", option: "--exchangers" },
    FieldOption { field: "coins_from", option: "--coins-from" },
    FieldOption { field: "coins_to", option: "--coins-to" },
];
/// The arguments of `buydesk convert`.
const CONVERT_ARGUMENTS: &[FieldOption] = &[
    FieldOption { field: "amount", option: "<AMOUNT>" },
    FieldOption { field: "from", option: "<FROM>" },
    FieldOption { field: "to", option: "<TO>" },
];

/// Runs `buydesk rates`.
pub async fn show_rates(client: &ApiClient, args: RatesArgs, json: bool) -> anyhow::Result<()> {
    let RatesArgs { exchangers, coins_from, coins_to } = args;
    let filters = [("exchangers", exchangers), ("coins_from", coins_from), ("coins_to", coins_to)];
    let filters: Vec<_> = filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let is_filtered = !filters.is_empty();
    let path = format!("api/v1/courses?{}", encode_query(filters));
    let response = naming_options(client.get(&client.endpoints.rates, &path).await, RATES_OPTIONS)?;
    response.print(json, |exchangers: &Vec<ExchangerCourses>| {
        if exchangers.iter().any(|exchanger| !exchanger.courses.is_empty()) {
            render::courses(exchangers)
        } else if is_filtered {
            "No course matches the filters.".to_owned()
        } else {
            format!("No exchange has reported a course yet. {}", client.health_hint())
        }
    })
}

/// Runs `buydesk convert`.
pub async fn show_conversion(client: &ApiClient, args: ConvertArgs, json: bool) -> anyhow::Result<()> {
    let query = encode_query([("from", args.from), ("to", args.to), ("amount", args.amount)]);
    let path = format!("api/v1/convert?{query}");
    let response = naming_options(client.get(&client.endpoints.rates, &path).await, CONVERT_ARGUMENTS)?;
    response.print(json, |conversion: &Conversion| render::conversion(conversion, &client.command("price")))
}

fn encode_query(pairs: impl IntoIterator<Item = (&'static str, String)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
