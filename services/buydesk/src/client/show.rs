//! Answers as a person reads them.

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use common::{
    api::{health::Health, orders::Order, prices::PriceRecord},
    time::Timestamp,
};
use fetch_orders::Page;

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

pub fn page(page: &Page) -> String {
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
