use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-02T03:04:05.000000Z";

fn agreed(price: &str, state: &str, further: Value) -> AgreedPrice {
    let vote = |exchanger: &str, used| json!({ "exchanger": exchanger, "told": "BTC-EUR", "value": price, "observed_at": NOW, "used": used });
    let mut agreed = json!({
        "direction": "BTC-EUR", "method": "median", "price": price, "as_of": NOW, "state": state, "simulated": true,
        "votes": [vote("kraken", true), vote("gemini", false), vote("okx", true)], "legs": [],
    });
    let Value::Object(further) = further else { panic!("{further} is no object") };
    agreed.as_object_mut().unwrap().extend(further);
    serde_json::from_value(agreed).unwrap()
}

fn component(value: Value) -> Component {
    serde_json::from_value(value).unwrap()
}

fn refused() -> Component {
    component(
        json!({ "name": "price:EUR", "ready": false, "optional": true, "detail": "the current price is 400 s old" }),
    )
}

fn accepted() -> Component {
    let status = json!({ "price": "84000.12", "state": "fresh", "simulated": true, "as_of": NOW, "expires_at": NOW });
    component(json!({ "name": "price:EUR", "ready": true, "optional": true, "price": status }))
}

fn list(readiness: &Readiness, prices: Vec<ListedPrice>) -> Value {
    serde_json::to_value(PriceList::new(readiness, prices).unwrap()).unwrap()
}

#[test]
fn agreed_price_is_listed_with_its_sources_and_whether_orders_use_it() {
    let old = agreed("84000.12", "prolonged", json!({ "expires_at": NOW, "age_secs": 400 }));
    let price = ListedPrice::new(Currency::EUR, &refused(), Some(old));
    let not_ready = component(json!({ "name": "price", "ready": false, "detail": "too old" }));
    let list = list(&Readiness { ready: false, parts: vec![not_ready, refused()] }, vec![price]);
    assert_eq!(
        list,
        json!({
            "base": "BTC", "state": "prolonged", "as_of": NOW, "simulated": true, "orders_accepted": false,
            "reason": "price: too old",
            "prices": { "EUR": {
                "price": "84000.12", "sources": ["kraken", "okx"], "state": "prolonged", "as_of": NOW, "expires_at": NOW,
                "simulated": true, "orders_accepted": false, "reason": "the current price is 400 s old",
            } },
        })
    );
}

#[test]
fn price_that_orders_use_is_listed_instead_of_a_newer_agreed_price() {
    let newer = agreed("84001.00", "fresh", json!({}));
    let price = ListedPrice::new(Currency::EUR, &accepted(), Some(newer));
    let shown = price.shown.unwrap();
    assert_eq!((shown.price.to_string(), shown.expires_at.is_some()), ("84000.12".to_owned(), true));
    assert_eq!((price.sources, price.orders_accepted), (vec!["kraken".to_owned(), "okx".to_owned()], true));
}

#[test]
fn price_that_orders_use_is_listed_while_rates_does_not_respond() {
    let readiness = Readiness::from(vec![accepted()]);
    let listed = |component: &Component| ListedPrice::new(Currency::EUR, component, None);
    let list = list(&readiness, vec![listed(&accepted())]);
    assert_eq!((&list["orders_accepted"], &list["prices"]["EUR"]["price"]), (&json!(true), &json!("84000.12")));
    assert_eq!(list["prices"]["EUR"]["sources"], json!([]));
    assert!(listed(&refused()).shown.is_none());
    assert!(PriceList::new(&readiness, vec![listed(&refused())]).is_none());
}

#[test]
fn orders_are_not_accepted_while_the_limit_is_reached() {
    let limit = component(json!({ "name": "limit", "ready": false, "optional": true, "detail": "all of the 100 BTC" }));
    let price = ListedPrice::new(Currency::EUR, &accepted(), None);
    let list = list(&Readiness::from(vec![accepted(), limit]), vec![price]);
    assert_eq!((&list["orders_accepted"], &list["reason"]), (&json!(false), &json!("limit: all of the 100 BTC")));
}

#[test]
fn every_currency_is_refused_while_no_orders_are_accepted() {
    let db_proxy = component(json!({ "name": "db-proxy", "ready": false, "detail": "PostgreSQL at 10.0.0.7:5432" }));
    let readiness = Readiness { ready: false, parts: vec![accepted(), db_proxy] };
    let prices = || vec![ListedPrice::new(Currency::EUR, &accepted(), None)];
    let text = price_table(&PriceList::new(&readiness, prices()).unwrap());
    let row = text.lines().find(|line| line.contains("EUR")).unwrap();
    assert!(row.contains("refused") && !row.contains("accepted"), "{text}");
    assert!(text.ends_with("Orders are not accepted: db-proxy is not ready."), "{text}");
    assert_eq!(list(&readiness, prices())["prices"]["EUR"]["orders_accepted"], false);
}

#[test]
fn readiness_of_create_order_is_distinguished_from_other_services() {
    let readiness = |name: &str| Readiness::from(vec![component(json!({ "name": name, "ready": true }))]);
    assert!(is_create_order(&readiness("price")));
    // price-updater also has a component for each currency.
    for other in ["price:EUR", "db-proxy", "database"] {
        assert!(!is_create_order(&readiness(other)), "{other}");
    }
}

fn listed(currency: &str, state: PriceState, age_secs: u64) -> ListedPrice {
    let as_of = Timestamp::now().minus(Duration::from_secs(age_secs));
    ListedPrice {
        currency: currency.parse().unwrap(),
        shown: Some(ShownPrice {
            price: "84000.12".parse().unwrap(),
            state,
            as_of,
            expires_at: None,
            prolongable_until: None,
            usable_until: None,
            simulated: true,
        }),
        sources: vec!["kraken".to_owned()],
        legs: Vec::new(),
        official_day: None,
        orders_accepted: true,
        reason: None,
    }
}

#[test]
fn price_table_shows_marks_and_order_acceptance_of_each_currency() {
    let mut pounds = listed("GBP", PriceState::Prolonged, 750);
    (pounds.orders_accepted, pounds.reason) = (false, Some("it is 750 s old".to_owned()));
    pounds.legs = vec!["BTC-USD".parse().unwrap(), "USD-GBP".parse().unwrap()];
    let list_of = |prices| PriceList::new(&Vec::new().into(), prices).unwrap();
    let text = price_table(&list_of(vec![listed("EUR", PriceState::Fresh, 1), pounds]));
    let row = |currency: &str| text.lines().find(|line| line.contains(currency)).unwrap();
    for part in ["SIMULATED, PROLONGED, 12 min old", "┆ refused ", "kraken; computed from BTC-USD and USD-GBP"] {
        assert!(row("│ GBP").contains(part), "{part}: {text}");
    }
    assert!(row("EUR").contains("SIMULATED") && row("EUR").contains("accepted"), "{text}");
    assert!(!row("EUR").contains("PROLONGED") && !row("EUR").contains("refused"), "{text}");
    assert!(text.contains("These prices are SIMULATED") && text.contains("PROLONGED: no newer price"), "{text}");
    assert!(text.contains("\nOrders in GBP are refused: it is 750 s old."), "{text}");
    // The table does not state that orders use the prolonged price, because create-order may refuse these orders.
    assert!(!text.contains("orders use the last one"), "{text}");
    let fresh = price_table(&list_of(vec![listed("EUR", PriceState::Fresh, 1)]));
    assert!(!fresh.contains("PROLONGED") && !fresh.contains("Valid until"), "{fresh}");
}

#[test]
fn currency_without_a_price_is_listed() {
    let missing = component(
        json!({ "name": "price:GBP", "ready": false, "optional": true, "detail": "there is no price in GBP" }),
    );
    let readiness = Readiness::from(vec![accepted(), missing.clone()]);
    let prices = || vec![listed("EUR", PriceState::Fresh, 1), ListedPrice::new(Currency::GBP, &missing, None)];
    let text = price_table(&PriceList::new(&readiness, prices()).unwrap());
    let row = text.lines().find(|line| line.contains("GBP")).unwrap();
    assert!(row.contains("none") && row.contains("refused"), "{text}");
    assert!(text.ends_with("\nOrders in GBP are refused: there is no price in GBP."), "{text}");
    assert_eq!(
        list(&readiness, prices())["prices"]["GBP"],
        json!({ "sources": [], "orders_accepted": false, "reason": "there is no price in GBP" })
    );
}

#[test]
fn price_computed_from_an_official_rate_names_the_day_of_the_rate() {
    let further =
        json!({ "method": "cross", "votes": [], "legs": ["BTC-USD", "USD-RUB"], "official_day": "2025-12-31" });
    let price = ListedPrice::new(Currency::EUR, &accepted(), Some(agreed("84000.12", "fresh", further)));
    assert_eq!(price_sources(&price), "computed from BTC-USD and USD-RUB, official rate of 2025-12-31");
    let list = list(&Readiness { ready: true, parts: vec![accepted()] }, vec![price]);
    assert_eq!(list["prices"]["EUR"]["official_day"], "2025-12-31");
}

#[test]
fn reason_that_currencies_share_is_stated_once_below_the_table() {
    let reason = "no newer price than that of 2026-01-02 03:04:05 UTC was accepted";
    let refused = |currency| {
        let listed = listed(currency, PriceState::Prolonged, 60);
        ListedPrice { orders_accepted: false, reason: Some(reason.to_owned()), ..listed }
    };
    let prices = || vec![refused("EUR"), refused("USD")];
    let text = price_table(&PriceList::new(&Vec::new().into(), prices()).unwrap());
    assert!(text.ends_with(&format!("\nOrders in EUR, USD are refused: {reason}.")), "{text}");
    // The component `price` has the same reason as each currency.
    let all = component(json!({ "name": "price", "ready": false, "detail": reason }));
    let text = price_table(&PriceList::new(&Readiness { ready: false, parts: vec![all] }, prices()).unwrap());
    assert!(text.ends_with(&format!("\nOrders are not accepted: price: {reason}.")), "{text}");
    assert_eq!(text.matches(reason).count(), 1, "{text}");
}

#[test]
fn prolonged_price_is_valid_until_orders_refuse_it() {
    let status = |usable_until: Value| {
        let mut status = json!({ "price": "84000.12", "state": "prolonged", "simulated": true, "as_of": NOW,
            "expires_at": "2026-01-02T03:05:00Z" });
        status["usable_until"] = usable_until;
        component(json!({ "name": "price:EUR", "ready": true, "optional": true, "price": status }))
    };
    let agreed = || Some(agreed("84000.12", "prolonged", json!({ "prolongable_until": "2026-01-02T04:04:05Z" })));
    let valid_until = |component: &Component, agreed| {
        ListedPrice::new(Currency::EUR, component, agreed).shown.unwrap().valid_until().map(format_time)
    };
    let until = |time: &str| Some(format!("2026-01-02 {time} UTC"));
    assert_eq!(valid_until(&status(json!("2026-01-02T03:14:05Z")), agreed()), until("03:14:05"));
    assert_eq!(valid_until(&status(Value::Null), agreed()), until("04:04:05"));
    assert_eq!(valid_until(&status(Value::Null), None), until("03:05:00"));
}

#[test]
fn end_of_each_price_is_shown_below_the_table() {
    let listed = |currency, state, end: &str| {
        let listed = listed(currency, state, 1);
        let shown = listed.shown.map(|shown| ShownPrice { usable_until: end.parse().ok(), ..shown });
        ListedPrice { shown, ..listed }
    };
    let prices = vec![
        listed("EUR", PriceState::Fresh, "2026-01-02T03:05:00Z"),
        listed("GBP", PriceState::Prolonged, "2026-01-02T04:04:05Z"),
        listed("USD", PriceState::Fresh, "2026-01-02T03:05:00Z"),
    ];
    let text = price_table(&PriceList::new(&Vec::new().into(), prices).unwrap());
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("Valid until")).collect();
    assert_eq!(lines, ["Valid until 2026-01-02 03:05:00 UTC: EUR, USD.", "Valid until 2026-01-02 04:04:05 UTC: GBP."]);
}

#[test]
fn missing_price_is_reported_with_the_times_of_the_last_price() {
    let detail = "the last price, of 2026-01-02 03:04:05 UTC, expired at 2026-01-02 03:05:05 UTC";
    let part = component(json!({ "name": "price", "ready": false, "detail": detail }));
    let message = no_price_message(&Readiness { ready: false, parts: vec![part] });
    assert_eq!(message, format!("There is no current price: {detail}."));
}
