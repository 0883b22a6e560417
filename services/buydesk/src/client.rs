//! The client commands: each asks one service and shows the answer as a table, or as the JSON it came as.

mod http;
mod render;

use common::{
    api::{
        health::Health,
        orders::{Order, OrderFilter, OrderPayload},
        pages::LinkedOrderPage,
        prices::PriceRecord,
        rates::{Conversion, ExchangerCourses},
    },
    ids::IdempotencyKey,
};

pub use self::http::Client;
use crate::cli;

/// Does one of the commands about orders.
pub async fn order(client: &Client, command: cli::Order, json: bool) -> anyhow::Result<()> {
    match command {
        cli::Order::Place(place) => {
            let fields =
                OrderPayload { currency: Some(place.currency), amount: Some(place.amount.into()), quote: None };
            // The key lets the client try again after a failure and still place one order.
            let key = place.key.unwrap_or_else(IdempotencyKey::generate);
            let answer = client.place(&fields, &key).await?;
            answer.show(json, |order: &Order| {
                let note = if answer.replayed { "\nThis key was used before: it is the order of then." } else { "" };
                format!("Order was placed for {}:{}\n{}{note}", order.currency, order.amount, render::order(order))
            })
        }
        cli::Order::List(list) => {
            let cli::List { limit, cursor, currency, from, to, min_amount, max_amount } = list;
            let filter = OrderFilter { currency, from, to, min_amount, max_amount };
            let path = format!("api/v1/orders?{}", filter.to_query(cursor, limit));
            client.get(&client.fetch_orders, &path).await?.show(json, |page: &LinkedOrderPage| render::page(page))
        }
        cli::Order::Get { id } => {
            let path = format!("api/v1/orders/{id}");
            client.get(&client.fetch_orders, &path).await?.show(json, |order: &Order| render::order(order))
        }
    }
}

/// Shows the current price record.
pub async fn price(client: &Client, json: bool) -> anyhow::Result<()> {
    let answer = client.get(&client.price_cache, "record").await?;
    anyhow::ensure!(!answer.is_empty(), "there is no current price");
    answer.show(json, |record: &PriceRecord| render::record(record))
}

/// Shows the current courses.
pub async fn rates(client: &Client, filters: cli::Rates, json: bool) -> anyhow::Result<()> {
    let cli::Rates { exchangers, coins_from, coins_to } = filters;
    let query = [("exchangers", exchangers), ("coins_from", coins_from), ("coins_to", coins_to)];
    let query = query_of(query.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let answer = client.get(&client.rates, &format!("api/v1/courses?{query}")).await?;
    answer.show(json, |courses: &Vec<ExchangerCourses>| render::courses(courses))
}

/// Shows how much of one thing an amount of another is.
pub async fn convert(client: &Client, wish: cli::Convert, json: bool) -> anyhow::Result<()> {
    let query = query_of([("from", wish.from), ("to", wish.to), ("amount", wish.amount)]);
    let answer = client.get(&client.rates, &format!("api/v1/convert?{query}")).await?;
    answer.show(json, |conversion: &Conversion| render::conversion(conversion))
}

fn query_of(pairs: impl IntoIterator<Item = (&'static str, String)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Shows how the services are.
pub async fn health(client: &Client, json: bool) -> anyhow::Result<()> {
    client.get(&client.health_check, "api/v1/health").await?.show(json, |health: &Health| render::health(health))
}
