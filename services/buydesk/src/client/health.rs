//! `buydesk health`: prints the headline of the status page, the faults with advice, and a table of the services.

mod findings;

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use common::{
    api::{
        health::{Health, HealthStatus, LimitPace, Measurement, OrderIntake},
        prices::PriceState,
    },
    time::{Timestamp, format_age},
};

use self::findings::{Finding, find_faults};
use super::{
    ApiClient,
    render::{format_time, price_text, without_trailing_zeros},
};
use crate::table::Table;

/// The exit code if the status is not ok or orders are not accepted.
const NOT_OK: u8 = 1;
/// The exit code if the command cannot get the status from health-check.
pub const STATUS_UNAVAILABLE: u8 = 2;

/// Runs `buydesk health`. The exit code is 0 if the status is ok and orders are accepted, and 1 if not.
pub async fn show_health(client: &ApiClient, json: bool) -> anyhow::Result<ExitCode> {
    let endpoint = &client.endpoints.health_check;
    let response = client.get(endpoint, "api/v1/health").await?;
    let health: Health = response.parse()?;
    response.print(json, |health: &Health| report(health, endpoint.address()))?;
    Ok(if is_ok(&health) { ExitCode::SUCCESS } else { ExitCode::from(NOT_OK) })
}

fn is_ok(health: &Health) -> bool {
    // A health-check of an old version does not report whether orders are accepted.
    health.status == HealthStatus::Ok && health.orders.as_ref().is_none_or(|orders| orders.accepted)
}

/// The output without `--json`. `page` is the address of the status page.
fn report(health: &Health, page: &str) -> String {
    let mut text = format!("{}\nhealth-check at {page} reports this.", headline(health));
    let findings = find_faults(health);
    for same_advice in findings.chunk_by(|a, b| a.advice == b.advice) {
        text.push('\n');
        for Finding { what, .. } in same_advice {
            let _ = write!(text, "\n{what}");
        }
        let _ = write!(text, "\n  {}", same_advice[0].advice.text(page));
    }
    if let Some(orders) = &health.orders {
        let _ = write!(text, "\n\n{}", order_terms(orders, health.at));
    }
    let counts = &health.reports_last_hour;
    let _ = write!(
        text,
        "\n{}{}\nReports of the last hour: {} critical, {}, {}\nAs of {}. Status page: {page}/",
        service_table(health),
        measured(health),
        counts.critical,
        counted(counts.error, "error"),
        counted(counts.warning, "warning"),
        format_time(health.at),
    );
    text
}

/// A number of reports, such as `1 error` or `2 errors`.
fn counted(number: impl Into<u64>, name: &str) -> String {
    let number = number.into();
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// The status, and whether orders are accepted, such as `failing: orders are not accepted: database: the disk is full`.
/// The status page uses the same words.
fn headline(health: &Health) -> String {
    let status = health.status;
    match &health.orders {
        Some(OrderIntake { accepted: true, .. }) => format!("{status}: orders are accepted"),
        Some(OrderIntake { reason: Some(reason), .. }) => format!("{status}: orders are not accepted: {reason}"),
        Some(_) => format!("{status}: orders are not accepted"),
        None => status.to_string(),
    }
}

/// The prices that orders use, and the remaining part of the limit.
fn order_terms(orders: &OrderIntake, now: Timestamp) -> String {
    let prices = orders.prices.iter().map(|price| {
        let value =
            price.price.as_ref().map_or_else(|| "none".to_owned(), |status| price_text(status.price, price.currency));
        let is_prolonged = price.price.as_ref().is_some_and(|status| status.state == PriceState::Prolonged);
        format!("{} {value}{}", price.currency, if is_prolonged { " PROLONGED" } else { "" })
    });
    let prices = prices.collect::<Vec<_>>().join(", ");
    let simulated = orders.prices.iter().filter_map(|price| price.price.as_ref()).any(|price| price.simulated);
    let mark = if simulated { " (SIMULATED)" } else { "" };
    let limit = orders.limit.as_ref().map_or_else(
        || "not known".to_owned(),
        |limit| {
            let above = limit.used_above_limit().map(|used| {
                format!(": orders and open quotes take {} BTC, more than the limit", without_trailing_zeros(&used))
            });
            format!(
                "{} of {} BTC are left{}",
                without_trailing_zeros(&limit.remaining),
                without_trailing_zeros(&limit.limit),
                above.unwrap_or_default()
            )
        },
    );
    let prices = if prices.is_empty() { "not known" } else { &prices };
    let pace = orders.limit_pace.as_ref().map(|pace| limit_pace(pace, now)).unwrap_or_default();
    format!("Prices of one bitcoin: {prices}{mark}\nTotal limit of all orders: {limit}{pace}")
}

/// How fast the limit is used, and when it is reached at this pace.
fn limit_pace(pace: &LimitPace, now: Timestamp) -> String {
    let time = format_age(Duration::from_secs(pace.over_secs));
    // The time is an estimate, so it is not shown to the second.
    let end = pace.full_at.map(|at| match at.since(now) {
        left if left.as_secs() == 0 => "less than a second".to_owned(),
        left => format!("about {}", format_age(left)),
    });
    let end = end.map(|end| format!("; at this pace, the limit is reached in {end}"));
    format!(", {} BTC were used in the last {time}{}", without_trailing_zeros(&pace.used), end.unwrap_or_default())
}

/// A line for each component and each machine with measurements. Each line begins with a line break.
fn measured(health: &Health) -> String {
    let components = health.infrastructure.iter().map(|component| (&component.name, &component.measurements));
    let machines = health.machines.iter().map(|machine| (&machine.name, &machine.measurements));
    let measured = components.chain(machines).filter(|(_, measurements)| !measurements.is_empty());
    let line = |(name, measurements): (&String, &Vec<Measurement>)| {
        let texts: Vec<_> = measurements.iter().map(Measurement::to_string).collect();
        // The name of a measurement possibly begins with the name of its component, such as `clock offset`.
        let is_named = texts.iter().all(|text| text.starts_with(&format!("{name} ")));
        let prefix = if is_named { String::new() } else { format!("{name}: ") };
        format!("\n{prefix}{}", texts.join(", "))
    };
    measured.map(line).collect()
}

fn service_table(health: &Health) -> Table {
    let mut table = Table::new(["service", "state", "last seen", "version"], &[]).optional(["version"]);
    for service in &health.services {
        // The status page uses the same words.
        let state = if service.ready == Some(false) { "not ready".to_owned() } else { service.state.to_string() };
        let age = |time| format!("{} ago", format_age(health.at.since(time)));
        table.add_row([
            service.service.clone(),
            state,
            service.last_seen.map_or_else(|| "never".to_owned(), age),
            service.version.clone().unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests;
