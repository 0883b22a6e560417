//! Health, metrics and reports while `buydesk up --demo` runs all services in one process.

use std::time::Duration;

use common::service::Service;
use serde_json::{Value, json};
use tests::{
    buydesk_up::BuydeskUp,
    client::{Client, send},
    platform::SERVICES,
    wait_until,
};

/// Maximum time until health, the metrics and the reports show a change.
const REPORT_LIMIT: Duration = Duration::from_secs(20);

async fn get_json(platform: &BuydeskUp, service: &str, path: &str) -> Value {
    Client::new("").get(format!("http://{}{path}", platform.address(service))).await.json(200)
}

#[tokio::test]
async fn demo_starts_without_warnings_and_health_and_metrics_show_an_order() {
    let platform = BuydeskUp::start(&[]).await;
    let health = wait_until("every service is alive and orders are accepted", REPORT_LIMIT, async || {
        let health = get_json(&platform, health_check::App::NAME, "/api/v1/health").await;
        (health["status"] == "ok" && health["orders"]["accepted"] == true).then_some(health)
    })
    .await;
    let orders = &health["orders"];
    let prices = orders["prices"].as_array().unwrap();
    assert_eq!(
        prices.iter().map(|price| price["currency"].as_str().unwrap()).collect::<Vec<_>>(),
        ["EUR", "GBP", "USD"]
    );
    for price in prices {
        assert_eq!((&price["accepted"], &price["price"]["simulated"]), (&json!(true), &json!(true)), "{price}");
        assert_eq!(price["price"]["state"], "fresh", "{price}");
        assert!(price["age_secs"].as_u64().unwrap() < 60, "{price}");
    }
    assert_eq!(
        (&orders["limit"]["limit"], &orders["limit"]["remaining"]),
        (&json!("100.00000000"), &json!("100.00000000"))
    );
    for service in health["services"].as_array().unwrap() {
        let address = platform.address(service["service"].as_str().unwrap());
        assert!(address.ends_with(&format!(":{}", service["port"])), "{service} does not listen on {address}");
    }
    let warnings = get_json(&platform, health_check::App::NAME, "/api/v1/reports?level=warning").await;
    assert_eq!(warnings["data"], json!([]));

    let client = Client::new("");
    let response = client.post(
        format!("http://{}/api/v1/orders", platform.address(create_order::App::NAME)),
        json!({"currency": "EUR", "amount": "69"}).to_string(),
    );
    let bought = response.await.json(201)["bitcoin_amount"].as_str().unwrap().to_owned();
    let remaining = format!("99.{:08}", 100_000_000 - bought.strip_prefix("0.").unwrap().parse::<u64>().unwrap());
    wait_until("health shows the remaining limit after the order", REPORT_LIMIT, async || {
        let health = get_json(&platform, health_check::App::NAME, "/api/v1/health").await;
        (health["orders"]["limit"]["remaining"] == remaining.as_str()).then_some(())
    })
    .await;
    let metrics = async |service: &str| {
        let response = Client::new("").get(format!("http://{}/metrics", platform.address(service))).await;
        response.text()
    };
    let prices = metrics(create_order::App::NAME).await;
    assert!(prices.contains("buydesk_order_price{service=\"create-order\",currency=\"EUR\"} "), "{prices}");
    let amount_line = "buydesk_orders_amount_total{service=\"db-proxy\",currency=\"EUR\"} 69.0\n";
    // Prometheus reads floating-point numbers, so the numbers are compared and not their texts.
    let remaining: f64 = remaining.parse().unwrap();
    let has_remaining = |metrics: &str| {
        let value =
            metrics.lines().find_map(|l| l.strip_prefix("buydesk_limit_remaining_bitcoin{service=\"db-proxy\"} "));
        value.is_some_and(|value| value.parse() == Ok(remaining))
    };
    // db-proxy possibly updates the metric of the remaining limit after the response to the order.
    wait_until("the metrics show the order", REPORT_LIMIT, async || {
        let metrics = metrics(db_proxy::App::NAME).await;
        (metrics.contains(amount_line) && has_remaining(&metrics)).then_some(())
    })
    .await;
    platform.stop().await;
}

#[tokio::test]
async fn every_exported_metric_is_listed_in_the_guide_for_operators() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let document = std::fs::read_to_string(document).unwrap();
    let platform = BuydeskUp::start(&[]).await;
    let order = json!({"currency": "EUR", "amount": "69"}).to_string();
    let orders_url = format!("http://{}/api/v1/orders", platform.address(create_order::App::NAME));
    Client::new("").post(orders_url, order).await.json(201);
    let mut exported = 0;
    for service in SERVICES {
        let response = Client::new("").get(format!("http://{}/metrics", platform.address(service))).await;
        let text = response.text();
        for metric in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = metric.split_once(' ').unwrap();
            let suffix = if kind == "counter" { "_total" } else { "" };
            assert!(document.contains(&format!("`{name}{suffix}`")), "{name}{suffix} of {service} is not listed");
            exported += 1;
        }
    }
    assert!(exported > 60, "only {exported} metrics");
    platform.stop().await;
}

#[tokio::test]
async fn report_of_a_failing_source_names_price_updater_and_the_source() {
    let platform = BuydeskUp::start(&[]).await;
    let url = format!("http://{}/admin/faults/gemini", platform.address(exchange_sim::App::NAME));
    let fault = json!({"fault": "error_500", "seconds": 600}).to_string();
    let request = Client::new("").request("PUT", url).header("content-type", "application/json").body(fault);
    let response = send(request.bearer_auth(&platform.token)).await;
    assert!(response.status < 300, "{}", response.text());
    let report = wait_until("the failing source is reported", REPORT_LIMIT, async || {
        let page =
            get_json(&platform, health_check::App::NAME, "/api/v1/reports?level=warning&text=price+source+fails").await;
        page["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((&report["service"], &report["source"]), (&json!("price-updater"), &json!("gemini")), "{report}");
    let warnings = get_json(&platform, health_check::App::NAME, "/api/v1/reports?level=warning").await;
    let mut warnings = warnings["data"].as_array().unwrap().iter();
    // exchange-sim does not report requested faults. Each warning names a service and not the program `buydesk`.
    assert!(
        warnings.all(|report| !["buydesk", exchange_sim::App::NAME].contains(&report["service"].as_str().unwrap()))
    );
    platform.stop().await;
}
