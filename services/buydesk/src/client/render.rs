//! Answers as a person reads them.

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use common::{
    api::{
        health::Health,
        orders::Order,
        pages::LinkedOrderPage,
        prices::PriceRecord,
        rates::{Conversion, ExchangerCourses, PathKind},
    },
    money::Rate,
    time::Timestamp,
};

fn table<const N: usize>(head: [&str; N], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(head);
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Seconds are enough for a person.
fn time(time: Timestamp) -> String {
    time.to_datetime().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn orders<'a>(orders: impl IntoIterator<Item = &'a Order>) -> Table {
    let mut table = table(["id", "accepted", "amount", "rate", "bitcoin", "price"], &[2, 3, 4]);
    for order in orders {
        table.add_row([
            order.id.to_string(),
            time(order.created_at),
            format!("{} {}", order.amount, order.currency),
            order.exchange_rate.to_string(),
            order.bitcoin_amount.to_string(),
            if order.simulated { "SIMULATED" } else { "real" }.to_owned(),
        ]);
    }
    table
}

pub fn order(order: &Order) -> String {
    orders([order]).to_string()
}

pub fn page(page: &LinkedOrderPage) -> String {
    if page.data.is_empty() && page.next_cursor.is_none() {
        return "No orders.".to_owned();
    }
    let more = page.next_cursor.map(|cursor| format!("\nThere are more: --cursor {cursor}"));
    format!("{}{}", orders(&page.data), more.unwrap_or_default())
}

pub fn record(record: &PriceRecord) -> String {
    let mut table = table(["currency", "price of one bitcoin", "sources"], &[1]);
    for (currency, price) in &record.prices {
        table.add_row([currency.to_string(), price.price.to_string(), price.sources.join(", ")]);
    }
    let simulated = if record.simulated { "\nThese prices are SIMULATED." } else { "" };
    let state = format!("{:?}", record.state).to_lowercase();
    format!("{table}\n{state}, of {}, valid until {}{simulated}", time(record.as_of), time(record.expires_at))
}

pub fn courses(exchangers: &[ExchangerCourses]) -> String {
    let mut table =
        table(["exchange", "direction", "course", "bid", "ask", "kind", "observed", "course is"], &[2, 3, 4]);
    let text = |rate: Option<Rate>| rate.map_or_else(String::new, |rate| rate.to_string());
    for ExchangerCourses { exchanger, courses } in exchangers {
        for course in courses {
            table.add_row([
                exchanger.clone(),
                course.direction.to_string(),
                course.value.to_string(),
                text(course.bid),
                text(course.ask),
                format!("{:?}", course.kind).to_lowercase(),
                time(course.observed_at),
                if course.simulated { "SIMULATED" } else { "real" }.to_owned(),
            ]);
        }
    }
    table.to_string()
}

pub fn conversion(conversion: &Conversion) -> String {
    let Conversion { from, to, amount, result, rate, path, steps, as_of, simulated, .. } = conversion;
    let steps = steps.iter().map(|step| {
        let sign = if step.inverse { "divided by" } else { "times" };
        format!("{sign} {} of {}", step.price, step.direction)
    });
    let path = match path {
        PathKind::Direct => "directly",
        PathKind::Inverse => "by the inverse price",
        PathKind::Cross => "by way of a third",
    };
    let simulated = if *simulated { "\nThese prices are SIMULATED." } else { "" };
    format!(
        "{} {from} are {} {to}\n1 {from} is {} {to}, {path}: {}\nof {}{simulated}",
        amount.as_str(),
        result.as_str(),
        rate.as_str(),
        steps.collect::<Vec<_>>().join(", "),
        time(*as_of)
    )
}

pub fn health(health: &Health) -> String {
    let mut table = table(["service", "state", "last seen", "version", "missing parts"], &[]);
    for service in &health.services {
        let missing = service.parts.iter().filter(|part| !part.ready);
        let missing = missing.map(|part| match &part.detail {
            Some(detail) => format!("{}: {detail}", part.name),
            None => part.name.clone(),
        });
        table.add_row([
            service.service.clone(),
            service.state.to_string(),
            service.last_seen.map_or_else(|| "never".to_owned(), time),
            service.version.clone().unwrap_or_default(),
            missing.collect::<Vec<_>>().join("\n"),
        ]);
    }
    let counts = &health.reports_last_hour;
    format!(
        "{}, at {}\n{table}\nReports of the last hour: {} critical, {} errors, {} warnings",
        health.status,
        time(health.at),
        counts.critical,
        counts.error,
        counts.warning
    )
}
