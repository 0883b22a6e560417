use common::api::reports::LevelCounts;
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-02T03:04:05.000000Z";
const EARLIER: &str = "2026-01-02T03:03:55.000000Z";
const PAGE: &str = "http://127.0.0.1:8050";

fn health(status: &str, orders: &Value, services: &[Value]) -> Health {
    serde_json::from_value(json!({
        "status": status, "at": NOW, "orders": orders, "services": services, "infrastructure": [],
        "reports_last_hour": LevelCounts::default(),
    }))
    .unwrap()
}

fn service(name: &str, state: &str, further: Value) -> Value {
    let mut service = json!({ "service": name, "state": state, "last_seen": EARLIER, "parts": [], "instances": [] });
    let Value::Object(further) = further else { panic!("{further} is not an object") };
    service.as_object_mut().unwrap().extend(further);
    service
}

fn accepted() -> Value {
    let price = |currency: &str, price: &str| {
        let status = json!({ "price": price, "state": "fresh", "simulated": true, "as_of": NOW, "expires_at": NOW });
        json!({ "currency": currency, "accepted": true, "price": status, "age_secs": 3 })
    };
    let limit = json!({ "limit": "100.00000000", "remaining": "99.50000000", "reserved": "0.00000000" });
    json!({ "accepted": true, "prices": [price("EUR", "84000.12"), price("GBP", "72000.33999999")], "limit": limit })
}

fn not_ready(name: &str, detail: &str) -> Value {
    json!({ "name": name, "ready": false, "detail": detail })
}

fn optional(mut component: Value) -> Value {
    component["optional"] = true.into();
    component
}

/// The lines before the table, without empty lines and without the line that names the address of health-check.
fn lines_before_the_table(health: &Health) -> Vec<String> {
    let text = report(health, PAGE);
    let lines = text.lines().take_while(|line| !line.starts_with('┌'));
    lines.filter(|line| !line.is_empty() && !line.starts_with("health-check at ")).map(str::to_owned).collect()
}

#[test]
fn second_line_names_the_address_of_health_check() {
    let text = report(&health("ok", &accepted(), &[]), PAGE);
    let lines: Vec<_> = text.lines().take(2).collect();
    assert_eq!(lines, ["ok: orders are accepted", "health-check at http://127.0.0.1:8050 reports this."]);
}

#[test]
fn healthy_platform_has_a_headline_prices_and_limit_but_no_findings() {
    let healthy = health("ok", &accepted(), &[service("create-order", "alive", json!({}))]);
    assert_eq!(
        lines_before_the_table(&healthy),
        [
            "ok: orders are accepted",
            "Prices of one bitcoin: EUR 84000.12, GBP 72000.34 (SIMULATED)",
            "Total limit of all orders: 99.5 of 100 BTC are left",
        ]
    );
    assert!(is_ok(&healthy));
    let table = report(&healthy, PAGE);
    assert!(table.contains("create-order") && table.contains("10 s ago"), "{table}");
    assert!(table.ends_with("Status page: http://127.0.0.1:8050/"), "{table}");
}

#[test]
fn sum_of_orders_above_a_lowered_limit_is_shown() {
    let mut orders = accepted();
    orders["limit"] = json!({ "limit": "0.00001", "remaining": "0", "reserved": "0", "used": "0.00199869" });
    let lines = lines_before_the_table(&health("failing", &orders, &[]));
    let expected = "Total limit of all orders: 0 of 0.00001 BTC are left: orders and open quotes take 0.00199869 BTC, more than \
                    the limit";
    assert!(lines.iter().any(|line| line == expected), "{lines:?}");
}

#[test]
fn headline_states_why_orders_are_refused() {
    let orders = json!({ "accepted": false, "reason": "db-proxy: database: the disk is full", "prices": [] });
    let services = [
        service("create-order", "degraded", json!({ "ready": false, "parts": [not_ready("db-proxy", "database")] })),
        service(
            "db-proxy",
            "degraded",
            json!({ "ready": false, "parts": [not_ready("database", "the disk is full")] }),
        ),
        service("health-check", "alive", json!({})),
        service("rates", "degraded", json!({ "ready": true, "parts": [optional(not_ready("db-proxy", "database"))] })),
    ];
    let failing = health("failing", &orders, &services);
    assert_eq!(
        lines_before_the_table(&failing)[..5],
        [
            "failing: orders are not accepted: db-proxy: database: the disk is full",
            // Only the headline and the line of db-proxy contain the cause.
            "create-order is not ready: db-proxy.",
            "db-proxy is not ready: database: the disk is full.",
            "rates works without db-proxy.",
            "  Correct the named cause. The services then recover by themselves.",
        ]
    );
    assert!(!is_ok(&failing));
    // The table uses the words of the status page.
    let table = report(&failing, PAGE);
    let row = |name: &str| table.lines().find(|line| line.starts_with(&format!("│ {name}"))).unwrap();
    assert!(row("db-proxy").contains("not ready") && !row("db-proxy").contains("degraded"), "{table}");
    assert!(row("rates").contains("degraded") && row("health-check").contains("alive"), "{table}");
}

#[test]
fn failing_price_sources_are_named_in_one_line() {
    let sources: Vec<_> = (1..=12)
        .map(|number| {
            let name = format!("source:exchange-{number}");
            let reason = if number == 3 { "did not answer in time" } else { "answered with status 500" };
            if number <= 5 { optional(not_ready(&name, reason)) } else { json!({ "name": name, "ready": true }) }
        })
        .collect();
    let updater = |parts: &[Value]| service("price-updater", "degraded", json!({ "ready": true, "parts": parts }));
    let degraded = health("degraded", &accepted(), &[updater(&sources)]);
    assert_eq!(
        lines_before_the_table(&degraded)[..3],
        [
            "degraded: orders are accepted",
            "5 of 12 price sources fail: exchange-1, exchange-2, exchange-4, exchange-5 (answered with status 500); exchange-3 \
             (did not answer in time).",
            "  Orders do not depend on a single source. Failing sources are polled again automatically.",
        ]
    );
    assert!(!is_ok(&degraded));
    // Orders lack a price because of these sources.
    let mut refused = accepted();
    refused["prices"][0] = json!({ "currency": "EUR", "accepted": false, "reason": "the last price expired" });
    let lines = lines_before_the_table(&health("degraded", &refused, &[updater(&sources)]));
    let advice = "  Orders need a price on which these sources agree. Failing sources are polled again automatically.";
    assert!(lines.iter().any(|line| line == advice), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("do not depend")), "{lines:?}");
    let all = lines_before_the_table(&health("degraded", &accepted(), &[updater(&sources[..5])]));
    assert!(all[1].starts_with("5 of 5 price sources fail: "), "{all:?}");
    // The sources responded, so this machine is connected to the internet.
    assert!(all[2].contains("BINANCE_URL") && !all[2].contains("internet. Check"), "{all:?}");
    let offline: Vec<_> = ["did not answer in time", "cannot be reached: its host name is unknown"]
        .map(|reason| optional(not_ready("source:exchange", reason)))
        .into();
    let offline = lines_before_the_table(&health("degraded", &accepted(), &[updater(&offline)]));
    assert!(offline[2].contains("HTTPS_PROXY") && offline[2].contains("`buydesk up --demo`"), "{offline:?}");
    let simulated = json!({ "name": "sources", "ready": false, "marks": ["simulated"] });
    let parts = [&sources[..5], &[simulated]].concat();
    let simulated = lines_before_the_table(&health("degraded", &accepted(), &[updater(&parts)]));
    let advice = simulated.iter().find(|line| line.contains("DELETE /admin/faults/EXCHANGE"));
    assert!(advice.is_some_and(|advice| !advice.contains("internet")), "{simulated:?}");
    let one = health("degraded", &accepted(), &[updater(&sources[4..])]);
    assert_eq!(lines_before_the_table(&one)[1], "1 of 8 price sources fails: exchange-5 (answered with status 500).");
}

#[test]
fn finding_states_that_customers_cannot_reach_the_services_through_nginx() {
    let part = optional(not_ready("nginx", "http://nginx:8080/livez cannot be reached: the connection was refused"));
    let services = [service("health-check", "degraded", json!({ "ready": true, "parts": [part] }))];
    assert_eq!(
        lines_before_the_table(&health("degraded", &accepted(), &services))[..3],
        [
            "degraded: orders are accepted",
            "Customers cannot reach the services through nginx: http://nginx:8080/livez cannot be reached: the connection was \
             refused.",
            "  Correct the named cause. The services then recover by themselves.",
        ]
    );
}

#[test]
fn services_without_heartbeats_are_named_with_advice() {
    let services = [
        service("create-order", "unknown", json!({ "last_seen": null })),
        service("fetch-orders", "stopped", json!({})),
        service("health-check", "alive", json!({})),
        service("rates", "missing", json!({})),
    ];
    let orders = json!({ "accepted": false, "reason": "no instance of create-order is running", "prices": [] });
    let lines = lines_before_the_table(&health("failing", &orders, &services));
    assert_eq!(
        lines[1..6],
        [
            "fetch-orders has stopped.",
            "rates is missing: it was not seen for 10 s.",
            "  Start it again. Its log states why it ended.",
            "create-order was never seen.",
            "  Start it. If it is already running, set its HEALTH_CHECK_URL to http://127.0.0.1:8050.",
        ]
    );
    let instance = json!({
        "instance": "h", "state": "alive", "last_seen": NOW, "interval_secs": 60, "uptime_secs": 12, "version": "1", "parts": []
    });
    let just_started = [
        service("create-order", "unknown", json!({})),
        service("health-check", "alive", json!({ "instances": [instance] })),
        service("rates", "unknown", json!({})),
    ];
    let lines = lines_before_the_table(&health("failing", &orders, &just_started));
    assert_eq!(
        lines[1..3],
        [
            "health-check started 12 s ago, and has not seen these services yet: create-order, rates.",
            "  A running service reports at least once a minute. Start only a service that is not running.",
        ]
    );
    let unseen = [service("create-order", "unknown", json!({})), service("health-check", "alive", json!({}))];
    let lines = lines_before_the_table(&health("failing", &orders, &unseen));
    assert_eq!(
        lines[1..3],
        [
            "health-check has never seen these services: create-order.",
            "  Start them with `buydesk up`, or each as its own process. If they are already running, set their \
             HEALTH_CHECK_URL to http://127.0.0.1:8050.",
        ]
    );
}

#[test]
fn findings_name_the_price_or_the_limit_that_prevents_orders() {
    let mut orders = accepted();
    orders["prices"][0]["price"]["state"] = "prolonged".into();
    orders["prices"][0]["age_secs"] = 300.into();
    orders["prices"][1] = json!({ "currency": "GBP", "accepted": false, "reason": "the current price is 400 s old; at most 300 s are allowed" });
    let lines = lines_before_the_table(&health("degraded", &orders, &[]));
    assert_eq!(
        lines[1..5],
        [
            "Orders in GBP are refused: the current price is 400 s old; at most 300 s are allowed.",
            "  Orders are accepted again when a new price is published.",
            "The price in EUR is prolonged: 84000.12, 5 min old, used until 2026-01-02 03:04:05 UTC.",
            "  Orders use the last price until the sources agree on a new price or the last price is too old.",
        ]
    );
    orders["prices"][0]["accepted"] = false.into();
    (orders["prices"][0]["reason"], orders["prices"][1]["reason"]) = ("too old".into(), "too old".into());
    let lines = lines_before_the_table(&health("degraded", &orders, &[]));
    assert_eq!(lines[1], "Orders in EUR, GBP are refused: too old.");
    orders["prices"][0]["price"]["prolongable_until"] = "2026-01-02T04:03:05Z".into();
    let lines = lines_before_the_table(&health("degraded", &orders, &[]));
    assert_eq!(
        lines[1..4],
        [
            "Orders in EUR, GBP are refused: too old.",
            "The price in EUR is too old for orders, and is shown until 2026-01-02 04:03:05 UTC.",
            "  Orders are accepted again when a new price is published.",
        ]
    );
    assert!(
        lines.contains(&"Prices of one bitcoin: EUR 84000.12 PROLONGED, GBP none (SIMULATED)".to_owned()),
        "{lines:?}"
    );
    let mut orders = accepted();
    (orders["accepted"], orders["reason"]) = (false.into(), "the limit is reached".into());
    orders["limit"]["remaining"] = "0.00000000".into();
    let full = health("ok", &orders, &[]);
    let lines = lines_before_the_table(&full);
    assert_eq!(lines[0], "ok: orders are not accepted: the limit is reached");
    assert_eq!(lines[1], "Nothing is left of the limit of 100 BTC.");
    orders["limit"]["limit"] = "0.00000000".into();
    let lines = lines_before_the_table(&health("ok", &orders, &[]));
    assert_eq!(lines[1], "The limit of all orders is 0 BTC, so only orders with an open quote are accepted.");
    // The exit code is 1, although no service has a fault.
    assert!(!is_ok(&full));
}

#[test]
fn finding_names_the_operator_token_if_reasons_are_hidden() {
    let part = json!({ "name": "database", "ready": false });
    let services = [service("db-proxy", "degraded", json!({ "ready": false, "parts": [part] }))];
    let lines = lines_before_the_table(&health("failing", &json!({ "accepted": false, "prices": [] }), &services));
    assert_eq!(lines[0], "failing: orders are not accepted");
    assert!(lines.iter().any(|line| line.contains("OPERATOR_TOKEN")), "{lines:?}");
}

#[test]
fn measurements_and_the_pace_of_the_limit_are_shown_with_units() {
    let mut orders = accepted();
    let full_at = "2026-01-02T23:04:06.000000Z";
    orders["limit_pace"] = json!({ "used": "0.50000000", "over_secs": 1800, "full_at": full_at });
    let mut health = health("ok", &orders, &[service("create-order", "alive", json!({}))]);
    let connections = Measurement::new(Measurement::CONNECTIONS_USED, 12, "connections").with_max(100);
    health.infrastructure = serde_json::from_value(json!([
        { "name": "database", "ready": true, "told_by": ["db-proxy"], "measurements": [connections] },
        { "name": "clock", "ready": true, "told_by": ["db-proxy"] },
    ]))
    .unwrap();
    let memory = Measurement::new(Measurement::MEMORY_AVAILABLE, 3_i64 << 30, Measurement::BYTES).with_max(4_i64 << 30);
    health.machines = serde_json::from_value(json!([
        { "name": "host-1", "services": ["users"], "last_seen": NOW, "measurements": [memory] },
    ]))
    .unwrap();
    let text = report(&health, PAGE);
    assert!(text.contains("\ndatabase: connections used: 12 of 100 (12 %)\n"), "{text}");
    assert!(text.contains("\nhost-1: memory available: 3.0 GiB of 4.0 GiB (75 %)\n"), "{text}");
    assert!(!text.contains("clock"), "{text}");
    let pace = "99.5 of 100 BTC are left, 0.5 BTC were used in the last 30 min; \
                at this pace, the limit is reached in about 20 h";
    assert!(text.contains(pace), "{text}");

    let offset = Measurement::new(Measurement::CLOCK_OFFSET, 0, Measurement::MILLISECONDS);
    health.infrastructure = serde_json::from_value(json!([
        { "name": "clock", "ready": true, "told_by": ["db-proxy"], "measurements": [offset] },
    ]))
    .unwrap();
    health.orders.as_mut().unwrap().limit_pace.as_mut().unwrap().full_at = Some(health.at);
    let text = report(&health, PAGE);
    assert!(text.contains("\nclock offset: 0 ms\n"), "{text}");
    assert!(text.contains("; at this pace, the limit is reached in less than a second"), "{text}");
}

#[test]
fn advice_names_the_simulation_if_no_simulated_exchange_works() {
    let detail = "no exchange and no index reports a price that is used";
    let sources = json!({ "name": "sources", "ready": false, "detail": detail, "marks": ["simulated"] });
    let exchange = optional(not_ready("source:kraken", "answered with status 500"));
    let parts = [exchange, json!({ "name": "source:ecb", "ready": true }), sources];
    let updater = service("price-updater", "degraded", json!({ "ready": false, "parts": parts }));
    let lines = lines_before_the_table(&health("failing", &accepted(), &[updater]));
    assert_eq!(
        lines[1..3],
        [
            format!("price-updater is not ready: sources: {detail}."),
            "1 of 2 price sources fails: kraken (answered with status 500).".to_owned()
        ]
    );
    assert!(lines[3].contains("exchange-sim") && lines[3].contains("/admin/faults"), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("Correct the named cause")), "{lines:?}");
}

#[test]
fn findings_without_redis_state_how_long_the_last_price_is_used_and_what_orders_wait_for() {
    let why = "Redis at redis://cache:6379 is unavailable: the connection was refused";
    let services = [
        service(
            "create-order",
            "degraded",
            json!({ "ready": true, "parts": [optional(not_ready("price-cache-proxy", why))] }),
        ),
        service("price-cache-proxy", "degraded", json!({ "ready": false, "parts": [not_ready("cache", why)] })),
    ];
    let lines = lines_before_the_table(&health("degraded", &accepted(), &services));
    assert_eq!(
        lines[1..3],
        [
            "create-order works without price-cache-proxy. Its last price is used until 2026-01-02 03:04:05 UTC.",
            &format!("price-cache-proxy is not ready: cache: {why}.")
        ]
    );
    let mut refused = accepted();
    for price in refused["prices"].as_array_mut().unwrap() {
        (price["accepted"], price["reason"]) = (false.into(), "the price record could not be read".into());
    }
    let lines = lines_before_the_table(&health("failing", &refused, &services));
    assert!(lines.iter().any(|line| line == "create-order works without price-cache-proxy."), "{lines:?}");
    let advice = "  Orders are accepted again when price-cache-proxy reaches Redis.";
    assert!(lines.iter().any(|line| line == advice), "{lines:?}");
}
