//! Formats responses as tables for people.

use std::time::Duration;

use common::{
    api::{
        orders::{Metadata, Order},
        pages::LinkedOrderPage,
        prices::{PriceState, price_marks},
        quotes::{Quote, QuoteState},
        rates::{Conversion, ConversionLeg, ConversionStep, ExchangerCourses, StepKind},
    },
    money::{Asset, CurrencyPair, Rate, parse_decimal, rounded_price},
    text::escape_invisible_controls,
    time::{Day, format_age},
};

pub(super) use common::time::format_time;

use crate::table::Table;

/// The column with the references of orders.
const REFERENCE: &str = "reference";

/// The marks of a price, and its age if it is prolonged, such as `SIMULATED, PROLONGED, 5 min old`.
pub(super) fn price_origin(simulated: bool, state: PriceState, age: Duration) -> String {
    let mut marks: Vec<_> = price_marks(simulated, state).iter().map(|mark| mark.to_uppercase()).collect();
    if !simulated {
        marks.insert(0, "real".to_owned());
    }
    if state == PriceState::Prolonged {
        marks.push(format!("{} old", format_age(age)));
    }
    marks.join(", ")
}

/// Explains the marks of the prices. Does not state whether orders use a prolonged price, because create-order decides this.
pub(super) fn marks_note(simulated: bool, state: PriceState) -> String {
    let simulated = simulated.then_some("\nThese prices are SIMULATED and worth nothing.");
    let prolonged = (state == PriceState::Prolonged)
        .then_some("\nPROLONGED: no newer price was agreed or accepted, so this is the last good price.");
    simulated.into_iter().chain(prolonged).collect()
}

/// A price in the asset `quote` for tables: exact in bitcoin, and otherwise rounded. `--json` shows the exact price.
pub(super) fn price_text(price: Rate, quote: impl Into<Asset>) -> String {
    if quote.into() == Asset::BTC { price.to_string() } else { rounded_price(price.to_decimal()) }
}

pub(super) fn without_trailing_zeros(bitcoin: &impl ToString) -> String {
    let text = bitcoin.to_string();
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn order_table<'a>(orders: impl IntoIterator<Item = &'a Order>) -> Table {
    let header = ["id", "accepted", "amount", "rate", "bitcoin", "price", REFERENCE];
    let mut table = Table::new(header, &[2, 3, 4]).wrapped("price").wrapped(REFERENCE).optional([REFERENCE]);
    for order in orders {
        table.add_row([
            order.id.to_string(),
            format_time(order.created_at),
            format!("{} {}", order.amount, order.currency),
            price_text(order.exchange_rate, order.currency),
            order.bitcoin_amount.to_string(),
            price_origin(order.simulated, order.price_state, order.created_at.since(order.price_as_of)),
            order.client_reference.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    table.without_empty(REFERENCE)
}

pub fn order(order: &Order) -> String {
    let escape = escape_invisible_controls;
    let pairs = order.metadata.iter().flat_map(Metadata::iter);
    let metadata = pairs.map(|(name, value)| format!("\n{}: {}", escape(name), escape(value)));
    let references = order.client_reference.iter();
    let reference = references.map(|reference| format!("\nReference: {}", escape(reference.as_str())));
    let quote = order.quote.iter().map(|quote| format!("\nQuote: {quote}"));
    let user = order.user_id.iter().map(|user| format!("\nUser: {user}"));
    let paying = order.wallet_id.iter().map(|wallet| format!("\nPaid from wallet: {wallet}"));
    let credited = order.credit_wallet_id.iter().map(|wallet| format!("\nBitcoin credited to wallet: {wallet}"));
    let notes: String = user.chain(quote).chain(paying).chain(credited).chain(reference).chain(metadata).collect();
    format!("{}{notes}", order_table([order]).without(REFERENCE))
}

/// Formats a quote. `order_command` is the command that takes the quote.
pub fn quote(quote: &Quote, order_command: &str) -> String {
    let mut table = Table::new(["quote", "state", "valid until", "amount", "rate", "bitcoin", "price"], &[3, 4, 5]);
    table.add_row([
        quote.id.to_string(),
        format!("{:?}", quote.state).to_lowercase(),
        format_time(quote.expires_at),
        format!("{} {}", quote.amount, quote.currency),
        price_text(quote.exchange_rate, quote.currency),
        quote.bitcoin_amount.to_string(),
        price_origin(quote.simulated, quote.price_state, quote.created_at.since(quote.price_as_of)),
    ]);
    let note = match (quote.state, quote.order_id) {
        (QuoteState::Open, _) => format!("\nTo take the quote: {order_command}"),
        (_, Some(order)) => format!("\nOrder {order} took the quote."),
        (_, None) => String::new(),
    };
    format!("{table}{note}")
}

/// Formats a page of orders. `next_command` is the command that shows the next page. `None` if there is no next page.
pub fn page(page: &LinkedOrderPage, next_command: Option<&str>) -> String {
    let next = next_command.map(|command| format!("\nMore orders: {command}")).unwrap_or_default();
    match (page.data.as_slice(), next_command) {
        ([], None) => "No orders.".to_owned(),
        // The service ends a page early if the filters exclude many orders.
        ([], Some(_)) => format!("No order was found yet.{next}"),
        (orders, _) => format!("{}{next}", order_table(orders)),
    }
}

pub(super) fn join_pairs(pairs: &[CurrencyPair]) -> String {
    pairs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

pub fn courses(exchangers: &[ExchangerCourses]) -> String {
    let header = ["exchange", "direction", "course", "bid", "ask", "kind", "observed", "origin"];
    let mut table = Table::new(header, &[2, 3, 4]).optional(["kind", "ask", "bid", "observed"]);
    for ExchangerCourses { exchanger, courses } in exchangers {
        for course in courses {
            let rate_text = |rate: Rate| price_text(rate, course.direction.quote);
            table.add_row([
                exchanger.clone(),
                course.direction.to_string(),
                rate_text(course.value),
                course.bid.map(rate_text).unwrap_or_default(),
                course.ask.map(rate_text).unwrap_or_default(),
                format!("{:?}", course.kind).to_lowercase(),
                format_time(course.observed_at),
                price_origin(course.simulated, PriceState::Fresh, Duration::ZERO),
            ]);
        }
    }
    table.to_string()
}

/// Formats a conversion. `price_command` is the command that shows whether orders use a price.
pub fn conversion(conversion: &Conversion, price_command: &str) -> String {
    let Conversion { from, to, amount, result, rate, steps, as_of, simulated, state, .. } = conversion;
    let has_step = |is_official| steps.iter().any(|step| (step.kind == StepKind::Official) == is_official);
    let step_lines = steps.iter().map(conversion_step).collect::<Vec<_>>().join("\n");
    let age = (*state == PriceState::Prolonged)
        .then(|| format!(", PROLONGED, {} old", format_age(Duration::from_secs(conversion.age_secs))));
    let error = conversion.known_error_percent.as_ref();
    let voters = match (has_step(true), has_step(false)) {
        (true, false) => "the banks that publish the rate",
        (true, true) => "the exchanges and banks",
        (false, _) => "the sources",
    };
    let error = error.map(|percent| format!("; {voters} are at most {} % apart", percent.as_str()));
    let order_use = if *state == PriceState::Prolonged {
        format!(" `{price_command}` shows whether orders use it.")
    } else {
        String::new()
    };
    let zero = parse_decimal(result.as_str()).is_ok_and(|result| result.is_zero());
    let result = if zero {
        format!("is less than {}", smallest_amount(result.as_str()))
    } else {
        format!("= {}", result.as_str())
    };
    format!(
        "{} {from} {result} {to}\nRate: 1 {from} = {} {to}\n{step_lines}\nas of {}{}{}{}{order_use}",
        amount.as_str(),
        parse_decimal(rate.as_str()).map_or_else(|_| rate.as_str().to_owned(), rounded_price),
        format_time(*as_of),
        age.unwrap_or_default(),
        error.unwrap_or_default(),
        marks_note(*simulated, *state)
    )
}

/// The smallest amount with as many decimals as `zero`, such as 0.01 for 0.00.
fn smallest_amount(zero: &str) -> String {
    format!("{}1", zero.strip_suffix('0').unwrap_or(zero))
}

/// One price of a conversion with its origin, such as `  times 84000.12 of BTC-EUR, agreed by kraken, okx`.
fn conversion_step(step: &ConversionStep) -> String {
    let ConversionStep { direction, price, inverse, kind, legs, leg_prices, sources, official_day, .. } = step;
    let origin = match kind {
        StepKind::Agreed | StepKind::Official => price_source(*kind, sources, *official_day),
        StepKind::Computed => computed_from(legs, *official_day),
    };
    let leg_lines: String = leg_prices.iter().enumerate().map(conversion_leg).collect();
    let price = price_text(*price, direction.quote);
    format!("  {} {price} of {direction}, {origin}{leg_lines}", operation(*inverse))
}

/// The line about one of the prices from which a price is computed. It begins with a line break.
fn conversion_leg((position, leg): (usize, &ConversionLeg)) -> String {
    let ConversionLeg { direction, price, inverse, kind, sources, official_day, .. } = leg;
    let operation = if position == 0 { String::new() } else { format!("{} ", operation(*inverse)) };
    let price = price_text(*price, direction.quote);
    format!("\n    {operation}{price} of {direction}, {}", price_source(*kind, sources, *official_day))
}

fn operation(inverse: bool) -> &'static str {
    if inverse { "divided by" } else { "times" }
}

/// Who agreed on a price, or which bank published it for which day.
fn price_source(kind: StepKind, sources: &[String], official_day: Option<Day>) -> String {
    let by = if sources.is_empty() { String::new() } else { format!(" by {}", sources.join(", ")) };
    match kind {
        StepKind::Official => format!("official rate{by}{}", of_day(official_day)),
        StepKind::Agreed | StepKind::Computed => format!("agreed{by}"),
    }
}

/// What a price is computed from, such as `computed from BTC-USD and USD-RUB, official rate of 2026-01-02`.
pub(super) fn computed_from(legs: &[CurrencyPair], official_day: Option<Day>) -> String {
    let official = official_day.map(|day| format!(", official rate{}", of_day(Some(day))));
    format!("computed from {}{}", join_pairs(legs), official.unwrap_or_default())
}

/// The day for which a bank publishes a rate.
fn of_day(day: Option<Day>) -> String {
    day.map(|day| format!(" of {day}")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
