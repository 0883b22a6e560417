//! The client commands. Each sends a request to one service and prints the response as a table or as JSON.

mod api_client;
mod endpoint;
mod error;
mod quotes;
mod render;

use std::process::ExitCode;

use common::{
    api::{
        health::{Health, HealthStatus},
        orders::{Metadata, Order, OrderFilter, OrderPayload, OrderQuery},
        pages::LinkedOrderPage,
        prices::PriceRecord,
        rates::{Conversion, ExchangerCourses},
    },
    ids::IdempotencyKey,
    money::DecimalText,
};

use self::error::ClientError;
pub use self::{
    api_client::ApiClient,
    error::{error_document, print_warning},
    quotes::run_quote_command,
};
use crate::cli::{ConvertArgs, ListArgs, OrderCommand, PlaceArgs, RatesArgs};

/// Runs `buydesk order …`.
pub async fn run_order_command(client: &ApiClient, command: OrderCommand, json: bool) -> anyhow::Result<()> {
    match command {
        OrderCommand::Place(args) => place_order(client, args, json).await,
        OrderCommand::List(args) => list_orders(client, args, json).await,
        OrderCommand::Get { id } => {
            let response = client.get(&client.fetch_orders, &format!("api/v1/orders/{id}")).await?;
            response.print(json, |order: &Order| render::order(order))
        }
    }
}

async fn place_order(client: &ApiClient, args: PlaceArgs, json: bool) -> anyhow::Result<()> {
    let PlaceArgs { currency, amount, bitcoin, quote, reference, metadata, key } = args;
    let given = metadata.len();
    let metadata: Metadata = metadata.into_iter().map(|pair| (pair.name, pair.value)).collect();
    anyhow::ensure!(metadata.iter().count() == given, "a name of --metadata is repeated");
    let payload = OrderPayload {
        currency,
        amount: amount.map(DecimalText::from),
        bitcoin_amount: bitcoin.map(DecimalText::from),
        quote: quote.map(|id| id.to_string()),
        client_reference: reference,
        metadata: (given > 0).then_some(metadata),
    };
    // The key makes it safe to retry after a failure.
    let key = key.unwrap_or_else(IdempotencyKey::generate);
    let response = client.place_order(&payload, &key).await?;
    response.print(json, |order: &Order| {
        let note = if response.replayed { "\nAn earlier request with this key placed the order." } else { "" };
        let order = format!("Order was placed for {}:{}\n{}", order.currency, order.amount, render::order(order));
        format!("{order}\nIdempotency key: {key}{note}")
    })
}

async fn list_orders(client: &ApiClient, args: ListArgs, json: bool) -> anyhow::Result<()> {
    let ListArgs { limit, cursor, currency, from, to, min_amount, max_amount, reference } = args;
    let filter = OrderFilter { currency, from, to, min_amount, max_amount };
    let query = OrderQuery { filter, client_reference: reference };
    let path = format!("api/v1/orders?{}", query.to_query(cursor, limit));
    client.get(&client.fetch_orders, &path).await?.print(json, |page: &LinkedOrderPage| render::page(page))
}

/// Runs `buydesk price`.
pub async fn show_price(client: &ApiClient, json: bool) -> anyhow::Result<()> {
    let response = client.get(&client.price_cache, "record").await?;
    if response.is_empty() {
        let next_step = "Orders are refused until there is one. `buydesk health` shows what is missing.";
        return Err(ClientError::new("no_price", "There is no current price.", next_step).into());
    }
    response.print(json, |record: &PriceRecord| render::price_record(record))
}

/// Runs `buydesk rates`.
pub async fn show_rates(client: &ApiClient, args: RatesArgs, json: bool) -> anyhow::Result<()> {
    let RatesArgs { exchangers, coins_from, coins_to } = args;
    let filters = [("exchangers", exchangers), ("coins_from", coins_from), ("coins_to", coins_to)];
    let query = encode_query(filters.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let response = client.get(&client.rates, &format!("api/v1/courses?{query}")).await?;
    response.print(json, |courses: &Vec<ExchangerCourses>| render::courses(courses))
}

/// Runs `buydesk convert`.
pub async fn show_conversion(client: &ApiClient, args: ConvertArgs, json: bool) -> anyhow::Result<()> {
    let query = encode_query([("from", args.from), ("to", args.to), ("amount", args.amount)]);
    let response = client.get(&client.rates, &format!("api/v1/convert?{query}")).await?;
    response.print(json, |conversion: &Conversion| render::conversion(conversion))
}

/// Runs `buydesk health`. The exit code is 2 if the platform is degraded, and 1 if it is failing.
pub async fn show_health(client: &ApiClient, json: bool) -> anyhow::Result<ExitCode> {
    let response = client.get_as_operator(&client.health_check, "api/v1/health").await?;
    response.print(json, |health: &Health| render::health(health))?;
    let health: Health = response.parse()?;
    Ok(ExitCode::from(match health.status {
        HealthStatus::Ok => 0,
        HealthStatus::Degraded => 2,
        HealthStatus::Failing => 1,
    }))
}

fn encode_query(pairs: impl IntoIterator<Item = (&'static str, String)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
