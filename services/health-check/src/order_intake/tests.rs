use common::api::prices::PriceState;

use super::*;
use crate::clock::tests::instants_at;

fn priced(currency: &str, as_of_secs: u64, expires_secs: u64) -> Component {
    let price = OrderPriceStatus {
        price: "84000.12".parse().unwrap(),
        state: PriceState::Prolonged,
        simulated: true,
        as_of: instants_at(as_of_secs).wall,
        expires_at: instants_at(expires_secs).wall,
        usable_until: None,
        prolongable_until: None,
    };
    Component { price: Some(price), ..Component::ready(format!("{}{currency}", Component::PRICE)).optional() }
}

fn limit(remaining: &str) -> Component {
    let limit = OrderLimitStatus {
        limit: "100".parse().unwrap(),
        remaining: remaining.parse().unwrap(),
        reserved: "0.5".parse().unwrap(),
        used: None,
    };
    Component { limit: Some(limit), ..Component::ready(Component::LIMIT).optional() }
}

fn instance(components: &[Component], last_seen: u64) -> IntakeInstance<'_> {
    let ready = !components.iter().any(Component::is_fatal);
    IntakeInstance { ready, confirmed: true, last_seen: instants_at(last_seen), components }
}

/// An instance whose next heartbeat is overdue.
fn overdue(components: &[Component], last_seen: u64) -> IntakeInstance<'_> {
    IntakeInstance { confirmed: false, ..instance(components, last_seen) }
}

fn intake(instances: Vec<IntakeInstance<'_>>) -> OrderIntake {
    order_intake(instances, ServiceState::Alive, &[], instants_at(100).wall)
}

#[test]
fn order_intake_contains_the_limit_and_each_price_with_state_and_age() {
    let components = [priced("EUR", 70, 3600), priced("USD", 0, 3600), limit("99.5")];
    let OrderIntake { accepted, reason, prices, limit, .. } = intake(vec![instance(&components, 99)]);
    assert_eq!((accepted, reason), (true, None));
    let ages: Vec<_> =
        prices.iter().map(|price| (price.currency.to_string(), price.accepted, price.age_secs)).collect();
    assert_eq!(ages, [("EUR".to_owned(), true, Some(30)), ("USD".to_owned(), true, Some(100))]);
    let price = prices[0].price.as_ref().unwrap();
    assert_eq!((price.state, price.simulated), (PriceState::Prolonged, true));
    assert_eq!(limit.unwrap().remaining, "99.5".parse().unwrap());
}

#[test]
fn orders_are_accepted_only_in_currencies_with_a_price() {
    let without_price = Component::not_ready("price:GBP", "there is no price in GBP").optional();
    let components = [priced("EUR", 70, 3600), priced("USD", 70, 100), without_price];
    let OrderIntake { accepted, prices, .. } = intake(vec![instance(&components, 99)]);
    assert!(accepted);
    assert_eq!(prices.iter().map(|price| price.accepted).collect::<Vec<_>>(), [true, false, false]);
    assert!(prices[1].price.is_none() && prices[1].reason.as_ref().unwrap().contains("expired"), "{:?}", prices[1]);
    assert_eq!(prices[2].reason.as_deref(), Some("there is no price in GBP"));
}

#[test]
fn orders_are_not_accepted_without_a_needed_component_a_price_or_a_remaining_limit() {
    let reason = |components: &[Component]| {
        let OrderIntake { accepted, reason, .. } = intake(vec![instance(components, 99)]);
        assert!(!accepted);
        reason.unwrap()
    };
    let price = priced("EUR", 70, 3600);
    assert_eq!(reason(&[price.clone(), Component::not_ready("db-proxy", "no answer")]), "db-proxy: no answer");
    assert_eq!(reason(&[price, limit("0")]), "the limit is reached");
    // There is a price, but orders may not use it.
    let too_old = Component::not_ready("price:EUR", "the price is too old for orders").optional();
    let expected = "there is no price that orders may use in any currency: the price is too old for orders";
    assert_eq!(reason(&[too_old]), expected);
    assert!(reason(&[priced("EUR", 70, 99)]).contains(" expired at "));
    let without_instances = order_intake(Vec::new(), ServiceState::Missing, &[], instants_at(100).wall);
    assert!(!without_instances.accepted && without_instances.reason.unwrap().contains("missing"));
}

#[test]
fn optional_component_does_not_stop_orders() {
    let components = [priced("EUR", 70, 3600), Component::not_ready("price-cache-proxy", "no answer").optional()];
    assert!(intake(vec![instance(&components, 99)]).accepted);
}

#[test]
fn orders_are_accepted_by_one_ready_instance_and_the_reason_describes_the_others() {
    let ready = [priced("EUR", 70, 3600)];
    let broken = [Component::not_ready("db-proxy", "no answer")];
    let OrderIntake { accepted, reason, prices, .. } = intake(vec![instance(&broken, 99), instance(&ready, 90)]);
    assert!(accepted && prices.len() == 1);
    assert_eq!(reason.unwrap(), "1 of 2 instances of create-order cannot place orders: db-proxy: no answer");
}

#[test]
fn intake_is_unknown_if_the_heartbeats_of_all_instances_are_overdue() {
    let expired = [priced("EUR", 70, 90), limit("99.5")];
    let OrderIntake { accepted, reason, prices, limit, .. } =
        intake(vec![overdue(&expired, 60), overdue(&expired, 80)]);
    let since = format_time(instants_at(80).wall);
    let expected =
        format!("create-order has not reported since {since}; it has ended, or it cannot reach health-check");
    assert_eq!((accepted, reason, prices.len(), limit), (false, Some(expected), 0, None));
}

#[test]
fn instance_with_an_overdue_heartbeat_counts_as_unable_to_place_orders() {
    let ready = [priced("EUR", 70, 3600)];
    let OrderIntake { accepted, reason, .. } = intake(vec![overdue(&ready, 50), instance(&ready, 99)]);
    let since = format_time(instants_at(50).wall);
    let expected = format!("1 of 2 instances of create-order cannot place orders: it has not reported since {since}");
    assert_eq!((accepted, reason), (true, Some(expected)));
    // The heartbeat of the only ready instance is overdue.
    let broken = [Component::not_ready("db-proxy", "no answer")];
    let OrderIntake { accepted, reason, .. } = intake(vec![overdue(&ready, 50), instance(&broken, 99)]);
    assert_eq!((accepted, reason.as_deref()), (false, Some("db-proxy: no answer")));
}

#[test]
fn price_that_is_too_old_for_orders_is_shown_with_the_cause_that_price_updater_reports() {
    let too_old = |currency: &str| {
        let shown = priced(currency, 70, 3600);
        Component { ready: false, detail: Some("it is too old for orders".to_owned()), ..shown }
    };
    let refused = [Component::not_ready("price", "it is too old"), too_old("EUR"), too_old("USD")];
    let cause = |name: &str| Component::not_ready(name, "the last price is prolonged: no source reports a price");
    let price_components =
        [cause("price:EUR").optional(), cause("price:USD").optional(), Component::ready("price:GBP")];
    let OrderIntake { reason, prices, .. } =
        order_intake(vec![instance(&refused, 99)], ServiceState::Degraded, &price_components, instants_at(100).wall);
    let expected =
        "it is too old for orders; price-updater: the last price is prolonged: no source reports a price".to_owned();
    // The reason that both currencies share is stated once.
    assert_eq!(reason, Some(format!("price: {expected}")));
    for price in prices {
        assert_eq!((price.accepted, price.age_secs, price.reason.as_ref()), (false, Some(30), Some(&expected)));
        assert!(price.price.is_some());
    }
}

#[test]
fn cause_of_price_updater_does_not_call_an_expired_price_prolonged() {
    let cause = Component::not_ready("price:EUR", "the last price is prolonged: no source reports a price").optional();
    let components = [priced("EUR", 70, 99)];
    let OrderIntake { prices, .. } =
        order_intake(vec![instance(&components, 99)], ServiceState::Alive, &[cause], instants_at(100).wall);
    let reason = prices[0].reason.as_deref().unwrap();
    assert!(reason.ends_with("; price-updater: no source reports a price"), "{reason}");
}
