//! The faults of a platform, each with advice for an operator.

use std::{collections::HashSet, time::Duration};

use common::{
    api::{
        health::{
            Component, CurrencyIntake, Health, InstanceHealth, OrderIntake, OrderPriceStatus, ServiceHealth,
            ServiceState, SharedReason, group_by_reason,
        },
        prices::{PriceState, SIMULATED_MARK},
    },
    money::Sats,
    service::Service,
    time::{Timestamp, format_age, format_time},
};
use price_updater::{CHECK_SIMULATION, CHECK_SOURCES, CONNECT_OR_SIMULATE, suggests_no_connection};

use crate::client::render::{price_text, without_trailing_zeros};

/// Maximum number of shown reasons why price sources fail. Sources with further reasons are named without a reason.
const MAX_REASONS: usize = 3;

/// The longest time from the start of health-check to the first heartbeat of a service that was already running. A
/// service sends a heartbeat at least once a minute.
const MAX_TIME_UNTIL_HEARTBEAT: Duration = Duration::from_secs(75);

/// One fault of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: String,
    pub(super) advice: Advice,
}

/// The advice for an operator about a fault, in the order of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Advice {
    StartAgain,
    Start,
    AwaitHeartbeats,
    StartPlatform,
    FixComponent,
    RaiseLimit,
    WaitForCache,
    WaitForPrice,
    WatchPrice,
    ConnectSources,
    CheckSources,
    CheckSimulation,
    WaitForSource,
    WaitForSources,
    SignIn,
}

impl Advice {
    pub(super) fn text(self, page: &str) -> String {
        match self {
            Self::StartAgain => "Start it again. Its log states why it ended.".to_owned(),
            Self::Start => format!("Start it. If it is already running, set its HEALTH_CHECK_URL to {page}."),
            Self::AwaitHeartbeats => {
                "A running service reports at least once a minute. Start only a service that is not running.".to_owned()
            }
            Self::StartPlatform => format!(
                "Start them with `buydesk up`, or each as its own process. If they are already running, set their \
                 HEALTH_CHECK_URL to {page}."
            ),
            Self::FixComponent => "Correct the named cause. The services then recover by themselves.".to_owned(),
            Self::RaiseLimit => "A larger limit permits further orders: `buydesk limit set`.".to_owned(),
            Self::WaitForCache => "Orders are accepted again when price-cache-proxy reaches Redis.".to_owned(),
            Self::WaitForPrice => "Orders are accepted again when a new price is published.".to_owned(),
            Self::WatchPrice => {
                "Orders use the last price until the sources agree on a new price or the last price is too old."
                    .to_owned()
            }
            Self::ConnectSources => CONNECT_OR_SIMULATE.to_owned(),
            Self::CheckSources => CHECK_SOURCES.to_owned(),
            Self::CheckSimulation => CHECK_SIMULATION.to_owned(),
            Self::WaitForSource => {
                "Orders do not depend on a single source. Failing sources are polled again automatically.".to_owned()
            }
            Self::WaitForSources => {
                "Orders need a price on which these sources agree. Failing sources are polled again automatically."
                    .to_owned()
            }
            Self::SignIn => "Only operators see the reasons. Set OPERATOR_TOKEN to the token of operators.".to_owned(),
        }
    }
}

/// All faults, sorted by advice.
pub(super) fn find_faults(health: &Health) -> Vec<Finding> {
    let mut findings = service_faults(health);
    if let Some(orders) = &health.orders {
        findings.extend(order_faults(orders));
    }
    if is_without_cache(health) {
        for finding in findings.iter_mut().filter(|finding| finding.advice == Advice::WaitForPrice) {
            finding.advice = Advice::WaitForCache;
        }
    }
    let hides_reasons = findings.iter().any(|finding| finding.advice == Advice::FixComponent)
        && health.services.iter().flat_map(|service| &service.parts).all(|part| part.detail.is_none());
    if hides_reasons {
        findings.push(Finding { what: "The reasons are not shown.".to_owned(), advice: Advice::SignIn });
    }
    let is_prolonged =
        |intake: &CurrencyIntake| intake.price.as_ref().is_some_and(|price| price.state == PriceState::Prolonged);
    let lacks_new_price =
        |orders: &OrderIntake| orders.prices.iter().any(|intake| !intake.accepted || is_prolonged(intake));
    if health.orders.as_ref().is_some_and(lacks_new_price) {
        for finding in findings.iter_mut().filter(|finding| finding.advice == Advice::WaitForSource) {
            finding.advice = Advice::WaitForSources;
        }
    }
    findings.sort_by_key(|finding| finding.advice);
    findings
}

/// Whether price-cache-proxy runs and cannot use Redis.
fn is_without_cache(health: &Health) -> bool {
    let lacks_cache = |service: &ServiceHealth| {
        service.ready == Some(false) && service.parts.iter().any(|part| part.name == "cache" && !part.ready)
    };
    health.services.iter().any(|service| service.service == price_cache_proxy::App::NAME && lacks_cache(service))
}

/// Until when orders can use at least one of the current prices, if create-order receives no newer prices. `None` if
/// orders use no price.
fn last_price_end(orders: Option<&OrderIntake>) -> Option<Timestamp> {
    let accepted = orders?.prices.iter().filter(|intake| intake.accepted);
    let prices = accepted.filter_map(|intake| intake.price.as_ref());
    prices.map(|price| price.expires_at.min(end_of_use(price))).max()
}

/// Until when orders use the price if no newer price is published.
fn end_of_use(price: &OrderPriceStatus) -> Timestamp {
    price.usable_until.unwrap_or(price.expires_at)
}

/// The time since the start of health-check.
fn uptime(health: &Health) -> Option<Duration> {
    let own = health.services.iter().find(|service| service.service == health_check::App::NAME)?;
    let uptime =
        |instance: &InstanceHealth| Duration::from_secs(instance.uptime_secs) + health.at.since(instance.last_seen);
    own.instances.iter().map(uptime).min()
}

/// One finding for the services that were never seen, if they share their advice: health-check has started recently, or
/// has seen no other service than itself.
fn unseen_services(health: &Health) -> Option<Finding> {
    let unseen = health.services.iter().filter(|service| service.state == ServiceState::Unknown);
    let unseen: Vec<_> = unseen.map(|service| service.service.as_str()).collect();
    let names = unseen.join(", ");
    match uptime(health) {
        _ if unseen.is_empty() => None,
        Some(uptime) if uptime < MAX_TIME_UNTIL_HEARTBEAT => Some(Finding {
            what: format!(
                "health-check started {} ago, and has not seen these services yet: {names}.",
                format_age(uptime)
            ),
            advice: Advice::AwaitHeartbeats,
        }),
        // health-check itself is always seen.
        _ if health.services.len() > 1 && health.services.len() - unseen.len() <= 1 => Some(Finding {
            what: format!("health-check has never seen these services: {names}."),
            advice: Advice::StartPlatform,
        }),
        _ => None,
    }
}

fn service_faults(health: &Health) -> Vec<Finding> {
    let unseen = unseen_services(health);
    if unseen.as_ref().is_some_and(|unseen| unseen.advice == Advice::StartPlatform) {
        return unseen.into_iter().collect();
    }
    let faulty = health.services.iter().filter(|service| service.state != ServiceState::Alive);
    let faulty: HashSet<&str> = faulty.map(|service| service.service.as_str()).collect();
    let price_end = last_price_end(health.orders.as_ref());
    let single = health.services.iter().filter(|service| unseen.is_none() || service.state != ServiceState::Unknown);
    let single = single.flat_map(|service| faults_of(service, &faulty, price_end, health.at));
    unseen.iter().cloned().chain(single).collect()
}

/// The faults of one service. `faulty` contains the names of all services that are not alive. `price_end` is the
/// result of [`last_price_end`].
fn faults_of(
    service: &ServiceHealth,
    faulty: &HashSet<&str>,
    price_end: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Finding> {
    let name = &service.service;
    let fault = |what: &str, advice| vec![Finding { what: format!("{name} {what}."), advice }];
    match service.state {
        ServiceState::Alive => Vec::new(),
        ServiceState::Missing => {
            let age = service.last_seen.map(|time| format!(" for {}", format_age(now.since(time))));
            fault(&format!("is missing: it was not seen{}", age.unwrap_or_default()), Advice::StartAgain)
        }
        ServiceState::Stopped => fault("has stopped", Advice::StartAgain),
        ServiceState::Unknown => fault("was never seen", Advice::Start),
        ServiceState::Degraded => degraded_faults(service, faulty, price_end),
    }
}

fn degraded_faults(service: &ServiceHealth, faulty: &HashSet<&str>, price_end: Option<Timestamp>) -> Vec<Finding> {
    let name = &service.service;
    let (nginx, missing): (Vec<_>, Vec<_>) = service
        .parts
        .iter()
        .filter(|part| !part.ready && !is_shown_elsewhere(part))
        .partition(|part| part.name.starts_with(Component::NGINX));
    // If the component is a faulty service, the finding of this service contains the reason.
    let describe = |part: &Component| {
        if faulty.contains(part.name.as_str()) { part.name.clone() } else { part.name_with_detail() }
    };
    // create-order uses its last price until `price_end`.
    let lacks_price_cache =
        name == create_order::App::NAME && missing.iter().any(|part| part.name == price_cache_proxy::App::NAME);
    let price_end = price_end.filter(|_| lacks_price_cache);
    let only_sources = missing.iter().all(|part| part.name == Component::SOURCES);
    let missing: Vec<_> = missing.into_iter().map(describe).collect();
    let mut findings = Vec::new();
    let mut add = |what: String, advice| findings.push(Finding { what, advice });
    for part in nginx {
        let what = format!("Customers cannot reach the services through {}.", part.name_with_detail());
        add(what, Advice::FixComponent);
    }
    if service.ready == Some(false) {
        let reasons = if missing.is_empty() { String::new() } else { format!(": {}", missing.join("; ")) };
        let advice =
            if !missing.is_empty() && only_sources { sources_advice(&service.parts) } else { Advice::FixComponent };
        add(format!("{name} is not ready{reasons}."), advice);
    } else if !missing.is_empty() {
        let until = price_end.map(|end| format!(" Its last price is used until {}.", format_time(end)));
        add(format!("{name} works without {}.{}", missing.join("; "), until.unwrap_or_default()), Advice::FixComponent);
    }
    let absent = service.instances.iter().filter(|instance| instance.state == ServiceState::Missing).count();
    if absent > 0 {
        let all = service.instances.len();
        let verb = if absent == 1 { "is" } else { "are" };
        add(format!("{absent} of {all} instances of {name} {verb} missing."), Advice::StartAgain);
    }
    findings.extend(failing_sources(&service.parts));
    findings
}

/// Whether another finding or the headline is about the component.
fn is_shown_elsewhere(part: &Component) -> bool {
    part.name.starts_with(Component::SOURCE) || part.name.starts_with(Component::PRICE) || part.name == Component::LIMIT
}

/// The finding that names the price sources that fail. `None` if no source fails.
fn failing_sources(parts: &[Component]) -> Option<Finding> {
    let sources: Vec<_> =
        parts.iter().filter_map(|part| Some((part.name.strip_prefix(Component::SOURCE)?, part))).collect();
    let failing: Vec<_> = sources.iter().filter(|(_, part)| !part.ready).collect();
    let mut groups =
        group_by_reason(failing.iter().map(|(name, part)| (*name, part.detail.as_deref().unwrap_or_default())));
    let others = groups.split_off(groups.len().min(MAX_REASONS));
    let described = groups.iter().chain(&others).map(|group| {
        let is_shown = !group.reason.is_empty() && !others.contains(group);
        if is_shown { format!("{} ({})", group.names(), group.reason) } else { group.names() }
    });
    let names = described.collect::<Vec<_>>().join("; ");
    let count = failing.len();
    let verb = if count == 1 { "fails" } else { "fail" };
    let all = sources.len();
    (count > 0).then(|| Finding {
        what: format!("{count} of {all} price sources {verb}: {names}."),
        advice: sources_advice(parts),
    })
}

/// The advice about the sources that fail. If no exchange and no index works, the component `sources` is not ready.
fn sources_advice(parts: &[Component]) -> Advice {
    let all = parts.iter().find(|part| part.name == Component::SOURCES);
    let (failing, working): (Vec<_>, Vec<_>) =
        parts.iter().filter(|part| part.name.starts_with(Component::SOURCE)).partition(|part| !part.ready);
    let no_price = all.is_some_and(|all| !all.ready);
    // If prices are simulated, the component `sources` has the mark.
    let is_simulated = parts.iter().any(|part| part.marks.iter().any(|mark| mark == SIMULATED_MARK));
    // Without the token of operators, the reasons are not shown.
    let is_offline = || failing.iter().all(|part| part.detail.as_deref().is_none_or(suggests_no_connection));
    match (working.is_empty(), no_price) {
        (true, _) | (_, true) if is_simulated => Advice::CheckSimulation,
        (true, _) if is_offline() => Advice::ConnectSources,
        (true, _) => Advice::CheckSources,
        (false, true) => Advice::WaitForSources,
        (false, false) => Advice::WaitForSource,
    }
}

fn order_faults(orders: &OrderIntake) -> Vec<Finding> {
    let mut findings = refused_currencies(orders);
    findings.extend(orders.prices.iter().filter_map(prolonged_price));
    match (&orders.limit, &orders.reason) {
        (Some(limit), _) if limit.remaining == Sats::ZERO => {
            let what = if limit.limit == Sats::ZERO {
                "The limit of all orders is 0 BTC, so only orders with an open quote are accepted.".to_owned()
            } else {
                format!("Nothing is left of the limit of {} BTC.", without_trailing_zeros(&limit.limit))
            };
            findings.push(Finding { what, advice: Advice::RaiseLimit });
        }
        // If some instances accept orders, the headline does not contain the reason.
        (_, Some(reason)) if orders.accepted => {
            findings.push(Finding { what: format!("{reason}."), advice: Advice::FixComponent });
        }
        _ => {}
    }
    findings
}

/// A finding for each reason why orders in some currencies are refused.
fn refused_currencies(orders: &OrderIntake) -> Vec<Finding> {
    let refused = orders.prices.iter().filter(|price| !price.accepted);
    let groups = group_by_reason(refused.map(|price| (price.currency, price.reason.as_deref().unwrap_or_default())));
    let finding = |group: SharedReason<_, &str>| {
        let reason = if group.reason.is_empty() { String::new() } else { format!(": {}", group.reason) };
        let what = format!("Orders in {} are refused{reason}.", group.names());
        Finding { what, advice: Advice::WaitForPrice }
    };
    groups.into_iter().map(finding).collect()
}

/// The finding that orders use a prolonged price, or that it is still shown although it is too old for orders.
fn prolonged_price(intake: &CurrencyIntake) -> Option<Finding> {
    let currency = intake.currency;
    let prolonged = intake.price.as_ref().filter(|price| price.state == PriceState::Prolonged)?;
    if !intake.accepted {
        let until = format_time(prolonged.prolongable_until?);
        let what = format!("The price in {currency} is too old for orders, and is shown until {until}.");
        return Some(Finding { what, advice: Advice::WaitForPrice });
    }
    let age = intake.age_secs.map(|secs| format!(", {} old", format_age(std::time::Duration::from_secs(secs))));
    let until = format_time(end_of_use(prolonged));
    let (price, age) = (price_text(prolonged.price, currency), age.unwrap_or_default());
    let what = format!("The price in {currency} is prolonged: {price}{age}, used until {until}.");
    Some(Finding { what, advice: Advice::WatchPrice })
}
