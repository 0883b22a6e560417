//! Formats responses as tables for people.

use std::time::Duration;

use common::{
    api::{
        health::{Component, Health},
        orders::{Metadata, Order},
        pages::LinkedOrderPage,
        prices::{CurrencyPrice, PriceRecord, PriceState, price_marks},
        quotes::{Quote, QuoteState},
        rates::{Conversion, ConversionStep, ExchangerCourses, StepKind},
    },
    money::{CurrencyPair, Rate},
    time::{Timestamp, format_age},
};

use crate::table::Table;

/// Formats a time to the second.
fn format_time(time: Timestamp) -> String {
    time.to_datetime().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The origin of a price, and its age if it is prolonged, such as `SIMULATED, PROLONGED, 5 min old`.
fn price_origin(simulated: bool, state: PriceState, age: Duration) -> String {
    let mut marks: Vec<_> = price_marks(simulated, state).iter().map(|mark| mark.to_uppercase()).collect();
    if !simulated {
        marks.insert(0, "real".to_owned());
    }
    if state == PriceState::Prolonged {
        marks.push(format!("{} old", format_age(age)));
    }
    marks.join(", ")
}

/// Explains the marks of the prices above it.
fn marks_note(simulated: bool, state: PriceState) -> String {
    let simulated = simulated.then_some("\nThese prices are SIMULATED and worth nothing.");
    let prolonged = (state == PriceState::Prolonged)
        .then_some("\nPROLONGED: the sources agree on no newer price. Until they do, orders use the last one.");
    simulated.into_iter().chain(prolonged).collect()
}

fn order_table<'a>(orders: impl IntoIterator<Item = &'a Order>) -> Table {
    let mut table = Table::new(["id", "accepted", "amount", "rate", "bitcoin", "price"], &[2, 3, 4]).wrapped("price");
    for order in orders {
        table.add_row([
            order.id.to_string(),
            format_time(order.created_at),
            format!("{} {}", order.amount, order.currency),
            order.exchange_rate.to_string(),
            order.bitcoin_amount.to_string(),
            price_origin(order.simulated, order.price_state, order.created_at.since(order.price_as_of)),
        ]);
    }
    table
}

pub fn order(order: &Order) -> String {
    let reference = order.client_reference.iter().map(|reference| format!("\nReference: {reference}"));
    let metadata = order.metadata.iter().flat_map(Metadata::iter).map(|(name, value)| format!("\n{name}: {value}"));
    let quote = order.quote.iter().map(|quote| format!("\nQuote: {quote}"));
    let notes: String = quote.chain(reference).chain(metadata).collect();
    format!("{}{notes}", order_table([order]))
}

pub fn quote(quote: &Quote) -> String {
    let mut table = Table::new(["quote", "state", "valid until", "amount", "rate", "bitcoin", "price"], &[3, 4, 5]);
    table.add_row([
        quote.id.to_string(),
        format!("{:?}", quote.state).to_lowercase(),
        format_time(quote.expires_at),
        format!("{} {}", quote.amount, quote.currency),
        quote.exchange_rate.to_string(),
        quote.bitcoin_amount.to_string(),
        price_origin(quote.simulated, quote.price_state, quote.created_at.since(quote.price_as_of)),
    ]);
    let note = match (quote.state, quote.order_id) {
        (QuoteState::Open, _) => format!("\nTo take it: buydesk order place --quote {}", quote.id),
        (_, Some(order)) => format!("\nOrder {order} took it."),
        (_, None) => String::new(),
    };
    format!("{table}{note}")
}

pub fn page(page: &LinkedOrderPage) -> String {
    if page.data.is_empty() && page.next_cursor.is_none() {
        return "No orders.".to_owned();
    }
    let next = page.next_cursor.map(|cursor| format!("\nMore orders: --cursor {cursor}"));
    format!("{}{}", order_table(&page.data), next.unwrap_or_default())
}

pub fn price_record(record: &PriceRecord) -> String {
    let header = ["currency", "price of one bitcoin", "state", "as of", "valid until", "sources"];
    let mut table = Table::new(header, &[1]).wrapped("state").wrapped("sources").optional(["valid until"]);
    let now = Timestamp::now();
    for (currency, price) in record.currency_prices() {
        table.add_row([
            currency.to_string(),
            price.price.to_string(),
            price_origin(record.simulated, price.state, now.since(price.as_of)),
            format_time(price.as_of),
            format_time(price.expires_at),
            price_sources(&price),
        ]);
    }
    format!("{table}{}", marks_note(record.simulated, record.state))
}

/// The exchanges, and the pairs that a computed price comes from.
fn price_sources(price: &CurrencyPrice) -> String {
    let sources = price.sources.join(", ");
    if price.legs.is_empty() { sources } else { format!("{sources}; computed from {}", join_pairs(&price.legs)) }
}

fn join_pairs(pairs: &[CurrencyPair]) -> String {
    pairs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

pub fn courses(exchangers: &[ExchangerCourses]) -> String {
    let header = ["exchange", "direction", "course", "bid", "ask", "kind", "observed", "origin"];
    let mut table = Table::new(header, &[2, 3, 4]).optional(["kind", "ask", "bid", "observed"]);
    let format_rate = |rate: Option<Rate>| rate.map_or_else(String::new, |rate| rate.to_string());
    for ExchangerCourses { exchanger, courses } in exchangers {
        for course in courses {
            table.add_row([
                exchanger.clone(),
                course.direction.to_string(),
                course.value.to_string(),
                format_rate(course.bid),
                format_rate(course.ask),
                format!("{:?}", course.kind).to_lowercase(),
                format_time(course.observed_at),
                price_origin(course.simulated, PriceState::Fresh, Duration::ZERO),
            ]);
        }
    }
    table.to_string()
}

pub fn conversion(conversion: &Conversion) -> String {
    let Conversion { from, to, amount, result, rate, steps, as_of, simulated, state, .. } = conversion;
    let steps = steps.iter().map(conversion_step).collect::<Vec<_>>().join("\n");
    let age = (*state == PriceState::Prolonged)
        .then(|| format!(", PROLONGED, {} old", format_age(Duration::from_secs(conversion.age_secs))));
    let error = conversion.known_error_percent.as_ref();
    let error = error.map(|percent| format!("; the sources are at most {} % apart", percent.as_str()));
    format!(
        "{} {from} = {} {to}\n1 {from} = {} {to}\n{steps}\nas of {}{}{}{}",
        amount.as_str(),
        result.as_str(),
        rate.as_str(),
        format_time(*as_of),
        age.unwrap_or_default(),
        error.unwrap_or_default(),
        marks_note(*simulated, *state)
    )
}

/// One price of a conversion with its origin, such as `  times 84000.12 of BTC-EUR, agreed by kraken, okx`.
fn conversion_step(step: &ConversionStep) -> String {
    let ConversionStep { direction, price, inverse, kind, legs, sources, .. } = step;
    let operation = if *inverse { "divided by" } else { "times" };
    let sources = sources.join(", ");
    let by = if sources.is_empty() { String::new() } else { format!(" by {sources}") };
    let origin = match kind {
        StepKind::Agreed => format!("agreed{by}"),
        StepKind::Official => format!("official rate{by}"),
        StepKind::Computed => format!("computed from {}", join_pairs(legs)),
    };
    format!("  {operation} {price} of {direction}, {origin}")
}

pub fn health(health: &Health) -> String {
    let mut table = Table::new(["service", "state", "last seen", "version", "not ready"], &[]);
    table = table.wrapped("not ready").optional(["version"]);
    for service in &health.services {
        let not_ready = service.parts.iter().filter(|component| !component.ready);
        let not_ready = not_ready.map(Component::name_with_detail);
        table.add_row([
            service.service.clone(),
            service.state.to_string(),
            service.last_seen.map_or_else(|| "never".to_owned(), format_time),
            service.version.clone().unwrap_or_default(),
            not_ready.collect::<Vec<_>>().join("\n"),
        ]);
    }
    let counts = &health.reports_last_hour;
    format!(
        "{}, as of {}\n{table}\nReports of the last hour: {} critical, {} errors, {} warnings",
        health.status,
        format_time(health.at),
        counts.critical,
        counts.error,
        counts.warning
    )
}

#[cfg(test)]
mod tests;
