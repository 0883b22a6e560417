//! The order intake: whether orders are accepted, at which prices, and the remaining limit.
//!
//! create-order reports these values in its heartbeats. It checks the values every two seconds and sends a heartbeat
//! after each check, even if nothing has changed. Each heartbeat states the time within which the next heartbeat
//! arrives. If no heartbeat arrives within this time, the values are unknown.

use common::{
    api::health::{
        Component, CurrencyIntake, OrderIntake, OrderLimitStatus, OrderPriceStatus, ServiceState, describe_refusals,
    },
    money::{Currency, Sats},
    time::{Timestamp, format_time},
};

use crate::clock::Instants;

/// The service that accepts orders.
pub(crate) const SERVICE: &str = "create-order";
/// The service that publishes the prices of orders.
pub(crate) const PRICE_SERVICE: &str = "price-updater";

/// An instance of create-order that has not stopped normally.
pub(crate) struct IntakeInstance<'a> {
    /// Whether every component that the instance needs is ready.
    pub(crate) ready: bool,
    /// Whether the instance is running and no heartbeat is overdue.
    pub(crate) confirmed: bool,
    /// When its latest heartbeat arrived.
    pub(crate) last_seen: Instants,
    pub(crate) components: &'a [Component],
}

impl IntakeInstance<'_> {
    fn places_orders(&self) -> bool {
        self.ready && self.confirmed
    }

    /// Why the instance cannot place orders.
    fn obstacle(&self) -> String {
        if self.confirmed {
            Component::fatal_reasons(self.components).join("; ")
        } else {
            format!("it has not reported since {}", format_time(self.last_seen.wall))
        }
    }
}

/// The order intake at `now`. `state` is the state of create-order. If orders are accepted but some instances cannot
/// place orders, `reason` states the number of these instances and why one of them cannot. `price_components` are the
/// components of price-updater, which state why a currency has no newer price.
pub(crate) fn order_intake(
    mut instances: Vec<IntakeInstance<'_>>,
    state: ServiceState,
    price_components: &[Component],
    now: Timestamp,
) -> OrderIntake {
    // The first instance supplies the prices and the limit. Instances that place orders come first, then other
    // confirmed instances. Within each group, the latest heartbeat comes first.
    instances.sort_by_key(|instance| {
        (!instance.places_orders(), !instance.confirmed, std::cmp::Reverse(instance.last_seen.monotonic))
    });
    let unknown = |reason| OrderIntake {
        accepted: false,
        reason: Some(reason),
        prices: Vec::new(),
        limit: None,
        limit_pace: None,
    };
    let Some(best) = instances.first().filter(|_| state != ServiceState::Stopped) else {
        return unknown(format!("no instance of {SERVICE} is running: its state is {state}"));
    };
    if !best.confirmed {
        // The values in the last heartbeat are outdated.
        let since = format_time(best.last_seen.wall);
        return unknown(format!(
            "{SERVICE} has not reported since {since}; it has ended, or it cannot reach health-check"
        ));
    }
    let limit = best.components.iter().find_map(|component| component.limit.clone());
    let exhausted = limit.as_ref().is_some_and(|limit: &OrderLimitStatus| limit.remaining == Sats::ZERO);
    let mut prices = currency_intakes(best.components, now);
    for price in &mut prices {
        add_cause(price, price_components);
    }
    let unable: Vec<_> = instances.iter().filter(|instance| !instance.places_orders()).collect();
    let reason = if unable.len() == instances.len() {
        Some(fatal_components(best, &prices))
    } else if exhausted {
        Some("the limit is reached".to_owned())
    } else if !any_accepted(&prices) {
        Some(format!("there is no price that orders may use in any currency: {}", reason_of_all(&prices)))
    } else {
        None
    };
    let accepted = reason.is_none();
    let partial = unable.first().map(|instance| {
        let (count, all, why) = (unable.len(), instances.len(), instance.obstacle());
        format!("{count} of {all} instances of {SERVICE} cannot place orders: {why}")
    });
    OrderIntake { accepted, reason: reason.or(partial), prices, limit, limit_pace: None }
}

/// The names and details of the components that prevent the instance from placing orders. For a missing price, the
/// result contains the reasons of the currencies, which are more precise than the detail of the component.
fn fatal_components(instance: &IntakeInstance<'_>, prices: &[CurrencyIntake]) -> String {
    let describe = |component: &Component| {
        if component.name == Component::ORDER_PRICE && prices.iter().any(|price| !price.accepted) {
            format!("{}: {}", component.name, reason_of_all(prices))
        } else {
            component.name_with_detail()
        }
    };
    let fatal = instance.components.iter().filter(|component| component.is_fatal());
    fatal.map(describe).collect::<Vec<_>>().join("; ")
}

/// Why no currency has a price that orders may use.
fn reason_of_all(prices: &[CurrencyIntake]) -> String {
    let reasons = prices.iter().filter(|price| !price.accepted).map(|price| {
        let reason = price.reason.as_deref().unwrap_or("there is no price");
        (price.currency, reason)
    });
    describe_refusals(reasons)
}

/// If orders in this currency are refused, appends the cause that price-updater reports to the reason.
fn add_cause(price: &mut CurrencyIntake, price_components: &[Component]) {
    let name = format!("{}{}", Component::PRICE, price.currency);
    let cause = price_components.iter().find(|component| component.name == name && !component.ready);
    if let (false, Some(reason), Some(cause)) =
        (price.accepted, &mut price.reason, cause.and_then(|c| c.detail.as_ref()))
    {
        // A later heartbeat of price-updater states that the price has expired.
        let outdated = if price.price.is_none() { Component::PRICE_PROLONGED } else { "" };
        let cause = cause.strip_prefix(outdated).unwrap_or(cause);
        *reason = format!("{reason}; {PRICE_SERVICE}: {cause}");
    }
}

/// Whether orders in at least one currency have a price at `now`, according to the components of an instance. True if
/// the components contain no prices.
pub(crate) fn has_price(components: &[Component], now: Timestamp) -> bool {
    any_accepted(&currency_intakes(components, now))
}

/// Whether orders are accepted in at least one currency. Also true if the instance reports no prices.
fn any_accepted(prices: &[CurrencyIntake]) -> bool {
    prices.is_empty() || prices.iter().any(|price| price.accepted)
}

fn currency_intakes(components: &[Component], now: Timestamp) -> Vec<CurrencyIntake> {
    components.iter().filter_map(|component| currency_intake(component, now)).collect()
}

/// Whether orders in one currency are accepted, and at which price. `None` if the component is not the price in a
/// currency.
fn currency_intake(component: &Component, now: Timestamp) -> Option<CurrencyIntake> {
    let currency: Currency = component.name.strip_prefix(Component::PRICE)?.parse().ok()?;
    // The price can expire after the heartbeat that reported it, if later heartbeats are lost.
    let expired = |price: &OrderPriceStatus| price.expires_at <= now;
    let price = component.price.clone().filter(|price| !expired(price));
    let reason = match &component.price {
        _ if !component.ready => component.detail.clone(),
        Some(price) if expired(price) => Some(format!(
            "the last price, of {}, expired at {}",
            format_time(price.as_of),
            format_time(price.expires_at)
        )),
        _ => None,
    };
    Some(CurrencyIntake {
        currency,
        accepted: component.ready && reason.is_none(),
        reason,
        age_secs: price.as_ref().map(|price| now.since(price.as_of).as_secs()),
        price,
    })
}

#[cfg(test)]
mod tests;
