//! `buydesk price`: prints the price of bitcoin in each currency, and whether orders are accepted at this price.
//!
//! The readiness of create-order contains the prices that orders use. The service `rates` reports the agreed prices with their
//! sources. create-order forwards the requests to `rates`, unless the setting `RATES_URL` applies.

use common::{
    api::{
        Code,
        courses::AgreedPrice,
        health::{Component, OrderPriceStatus, Readiness, group_by_reason},
        prices::{BASE, PriceState},
    },
    clients::db_proxy::DbProxyClient,
    money::{Currency, CurrencyPair, Rate},
    time::{Day, Timestamp},
};
use futures_util::future::join_all;
use serde::Serialize;

use super::{
    ApiClient,
    api_client::print_line,
    error::{ClientError, print_warning},
    render::{computed_from, format_time, marks_note, price_origin, price_text},
};
use crate::table::Table;

/// The component of create-order that is ready if there is a price that orders can use.
const ORDER_PRICE: &str = "price";

/// The prices, in the form of the price record of price-cache-proxy, and whether orders are accepted at them.
#[derive(Debug, Serialize)]
struct PriceList {
    base: &'static str,
    /// The worst state of all prices.
    state: PriceState,
    /// When the oldest of the prices was observed.
    as_of: Timestamp,
    simulated: bool,
    /// Whether orders in at least one currency are accepted.
    orders_accepted: bool,
    /// Why orders are not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(serialize_with = "as_map")]
    prices: Vec<ListedPrice>,
}

/// The price in one currency.
#[derive(Debug, Serialize)]
struct ListedPrice {
    #[serde(skip)]
    currency: Currency,
    /// `None` if there is no price in this currency.
    #[serde(flatten)]
    shown: Option<ShownPrice>,
    sources: Vec<String>,
    /// The pairs from whose prices the price is computed. Empty for a price that is not computed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    legs: Vec<CurrencyPair>,
    /// The day for which the official rates among the legs are published.
    #[serde(skip_serializing_if = "Option::is_none")]
    official_day: Option<Day>,
    /// Whether orders in this currency are accepted.
    orders_accepted: bool,
    /// Why orders in this currency have no price that they can use. [`PriceList::reason`] concerns orders in all
    /// currencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

fn as_map<S: serde::Serializer>(prices: &[ListedPrice], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(prices.iter().map(|price| (price.currency, price)))
}

/// Runs `buydesk price`.
pub async fn show_price(client: &ApiClient, json: bool) -> anyhow::Result<()> {
    let server = &client.endpoints.server;
    let readiness = client.readiness(server).await?;
    if !is_create_order(&readiness) {
        return Err(ClientError::not_the_service(server, "the readiness of another service").into());
    }
    let prices = currency_components(&readiness).map(|(currency, component)| async move {
        let agreed = agreed_price(client, currency).await;
        let unreachable = agreed.as_ref().err().filter(|error| is_unreachable(error)).map(ToString::to_string);
        (ListedPrice::new(currency, component, agreed.ok()), unreachable)
    });
    let (prices, unreachable): (Vec<_>, Vec<_>) = join_all(prices).await.into_iter().unzip();
    let Some(list) = PriceList::new(&readiness, prices) else {
        let next_step = format!("Orders are refused until there is a price. {}", client.health_hint());
        return Err(ClientError::new("no_price", no_price_message(&readiness), next_step).into());
    };
    if let Some(error) = unreachable.into_iter().flatten().next() {
        print_warning("sources_unknown", &format!("The sources of the prices are not shown: {error}"), json);
    }
    if json { print_line(&serde_json::to_string(&list)?) } else { print_line(&price_table(&list)) }
}

/// States that there is no price, and the reason if the readiness of create-order contains one.
fn no_price_message(readiness: &Readiness) -> String {
    let part = readiness.parts.iter().find(|part| part.name == ORDER_PRICE);
    match part.and_then(|part| part.detail.as_ref()) {
        Some(reason) => format!("There is no current price: {reason}."),
        None => "There is no current price.".to_owned(),
    }
}

/// Whether this is the readiness of create-order, which always has the component `price`.
fn is_create_order(readiness: &Readiness) -> bool {
    readiness.parts.iter().any(|part| part.name == ORDER_PRICE)
}

/// The components of create-order that report the price in each configured currency.
fn currency_components(readiness: &Readiness) -> impl Iterator<Item = (Currency, &Component)> {
    readiness.parts.iter().filter_map(|part| Some((part.name.strip_prefix(Component::PRICE)?.parse().ok()?, part)))
}

/// The agreed price in this currency.
async fn agreed_price(client: &ApiClient, currency: Currency) -> anyhow::Result<AgreedPrice> {
    let path = format!("api/v1/price?direction={BASE}-{currency}");
    client.get(&client.endpoints.rates, &path).await?.parse()
}

/// Whether the service that knows the sources cannot be used. Another error means that there is no agreed price.
fn is_unreachable(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<ClientError>().map(ClientError::code);
    !matches!(code, Some(Some(Code::PriceUnavailable | Code::ValidationFailed)))
}

impl ListedPrice {
    /// Lists the price that orders use. If orders have no price, lists the agreed price, if there is one. The sources
    /// are the sources of the agreed price, which may be newer than the price that orders use.
    fn new(currency: Currency, component: &Component, agreed: Option<AgreedPrice>) -> Self {
        let shown = component.price.clone().map(ShownPrice::from);
        let shown = shown.or_else(|| ShownPrice::of_agreed(agreed.as_ref()?));
        let official_day = agreed.as_ref().and_then(|agreed| agreed.official_day);
        let prolongable_until = agreed.as_ref().and_then(|agreed| agreed.prolongable_until);
        let (sources, legs) = agreed.map_or_else(Default::default, |agreed| (agreed.used_sources(), agreed.legs));
        let shown = shown.map(|shown| ShownPrice {
            prolongable_until: prolongable_until.filter(|_| shown.state == PriceState::Prolonged),
            ..shown
        });
        let (orders_accepted, reason) = (component.ready, component.detail.clone());
        Self { currency, shown, sources, legs, official_day, orders_accepted, reason }
    }
}

/// A price with its state and times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct ShownPrice {
    price: Rate,
    state: PriceState,
    as_of: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// Until when the price is prolonged if no newer one is agreed. Absent for a price that is not prolonged.
    #[serde(skip_serializing_if = "Option::is_none")]
    prolongable_until: Option<Timestamp>,
    /// Until when orders use a prolonged price if no newer one is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    usable_until: Option<Timestamp>,
    simulated: bool,
}

impl From<OrderPriceStatus> for ShownPrice {
    fn from(status: OrderPriceStatus) -> Self {
        let OrderPriceStatus { price, state, simulated, as_of, expires_at, usable_until, prolongable_until } = status;
        Self { price, state, as_of, expires_at: Some(expires_at), prolongable_until, usable_until, simulated }
    }
}

impl ShownPrice {
    /// For a prolonged price, the time until which orders use it. If it is too old for orders, the time until which it
    /// is prolonged. For another price, its expiry.
    fn valid_until(self) -> Option<Timestamp> {
        self.usable_until.or(self.prolongable_until).or(self.expires_at)
    }

    fn of_agreed(agreed: &AgreedPrice) -> Option<Self> {
        let (state, simulated) = (agreed.state.unwrap_or_default(), agreed.simulated);
        let (expires_at, prolongable_until) = (agreed.expires_at, agreed.prolongable_until);
        let (price, as_of) = (agreed.price?, agreed.as_of?);
        Some(Self { price, state, as_of, expires_at, prolongable_until, usable_until: None, simulated })
    }
}

impl PriceList {
    /// `None` if there is no price in any currency.
    fn new(readiness: &Readiness, mut prices: Vec<ListedPrice>) -> Option<Self> {
        let fatal = readiness.parts.iter().filter(|part| part.is_fatal());
        // The detail of db-proxy is omitted, because it may contain internal addresses.
        let missing: Vec<_> = fatal
            .map(|part| {
                if part.name == DbProxyClient::SERVICE {
                    format!("{} is not ready", part.name)
                } else {
                    part.name_with_detail()
                }
            })
            .collect();
        let limit = readiness.parts.iter().find(|part| part.name == Component::LIMIT && !part.ready);
        let reason = if missing.is_empty() { limit.map(Component::name_with_detail) } else { Some(missing.join("; ")) };
        for price in &mut prices {
            price.orders_accepted &= reason.is_none();
        }
        let shown = || prices.iter().filter_map(|price| price.shown);
        Some(Self {
            base: BASE,
            state: shown().map(|price| price.state).max()?,
            as_of: shown().map(|price| price.as_of).min()?,
            simulated: shown().any(|price| price.simulated),
            orders_accepted: reason.is_none(),
            reason,
            prices,
        })
    }
}

/// The table of the prices, with an explanation of the marks.
fn price_table(list: &PriceList) -> String {
    let header = ["currency", "price of one bitcoin", "state", "as of", "orders", "sources"];
    let mut table = Table::new(header, &[1]).wrapped("state").wrapped("sources");
    let now = Timestamp::now();
    for price in &list.prices {
        let shown = price.shown;
        let origin = |shown: ShownPrice| price_origin(shown.simulated, shown.state, now.since(shown.as_of));
        table.add_row([
            price.currency.to_string(),
            shown.map_or_else(|| "none".to_owned(), |shown| price_text(shown.price, price.currency)),
            shown.map(origin).unwrap_or_default(),
            shown.map(|shown| format_time(shown.as_of)).unwrap_or_default(),
            if price.orders_accepted { "accepted" } else { "refused" }.to_owned(),
            price_sources(price),
        ]);
    }
    let table = table.without_empty("sources");
    let reason = list.reason.iter().map(|reason| format!("\nOrders are not accepted: {reason}."));
    format!(
        "{table}{}{}{}{}",
        ends(list),
        marks_note(list.simulated, list.state),
        reason.collect::<String>(),
        refusals(list)
    )
}

/// Until when the prices are valid, on lines that begin with a line break. Unlike a column, the lines fit a narrow terminal.
fn ends(list: &PriceList) -> String {
    let end_of = |price: &ListedPrice| Some((price.currency, format_time(price.shown?.valid_until()?)));
    let ends: Vec<_> = list.prices.iter().filter_map(end_of).collect();
    let groups = group_by_reason(ends.iter().map(|(currency, end)| (*currency, end.as_str())));
    let lines = groups.iter().map(|group| format!("\nValid until {}: {}.", group.reason, group.names()));
    lines.collect::<Vec<_>>().concat()
}

/// Why orders in single currencies are refused, on lines that begin with a line break. Omits [`PriceList::reason`].
fn refusals(list: &PriceList) -> String {
    let refused = list.prices.iter().filter(|price| !price.orders_accepted);
    let groups = group_by_reason(refused.filter_map(|price| Some((price.currency, price.reason.as_deref()?))));
    let is_new = |reason: &str| list.reason.as_ref().is_none_or(|reason_of_all| !reason_of_all.contains(reason));
    let groups = groups.into_iter().filter(|group| is_new(group.reason));
    let lines = groups.map(|group| format!("\nOrders in {} are refused: {}.", group.names(), group.reason));
    lines.collect::<Vec<_>>().concat()
}

/// The sources, and the pairs from whose prices the price is computed.
fn price_sources(price: &ListedPrice) -> String {
    let legs = (!price.legs.is_empty()).then(|| computed_from(&price.legs, price.official_day));
    let sources = (!price.sources.is_empty()).then(|| price.sources.join(", "));
    sources.into_iter().chain(legs).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
