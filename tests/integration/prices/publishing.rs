//! price-updater polls simulated exchanges and publishes the agreed price to the cache.

use std::time::Duration;

use common::{money::Rate, time::Timestamp};
use serde_json::{Value, json};
use tests::{Platform, Stack, client::send, on_both_stacks, platform::order, wait_until};

on_both_stacks!(
    order_uses_price_agreed_by_exchanges,
    outlier_exchange_is_excluded,
    last_price_is_prolonged_when_all_exchanges_fail,
);

/// Several publish intervals. The interval is one second here.
const LIMIT: Duration = Duration::from_secs(15);

async fn start_with_exchanges(stack: Stack) -> Platform {
    let builder = Platform::builder(stack).without_prices();
    let builder = builder.set("PRICE_REFRESH_SECS", "1").set("PRICE_TTL_SECS", "8").set("SOURCE_TIMEOUT_SECS", "1");
    let platform = builder.start().await;
    platform.start_other_services().await;
    platform
}

async fn record(platform: &Platform) -> Value {
    platform.client.get(platform.price_cache.url("/record")).await.json(200)
}

async fn wait_for_record(platform: &Platform, condition: &str, matches: impl Fn(&Value) -> bool) -> Value {
    wait_until(condition, LIMIT, async || Some(record(platform).await).filter(|record| matches(record))).await
}

fn sources(record: &Value, currency: &str) -> Vec<String> {
    serde_json::from_value(record["prices"][currency]["sources"].clone()).unwrap()
}

fn rate(text: &Value) -> Rate {
    text.as_str().unwrap().parse().unwrap()
}

async fn start_fault(platform: &Platform, exchange: &str, fault: &str) {
    let url = platform.exchange_sim.url(&format!("/admin/faults/{exchange}"));
    let request = platform.with_internal_token(platform.client.request("PUT", url));
    let body = json!({ "fault": fault, "seconds": 600 }).to_string();
    send(request.header("content-type", "application/json").body(body)).await.json(200);
}

async fn end_fault(platform: &Platform, exchange: &str) {
    let url = platform.exchange_sim.url(&format!("/admin/faults/{exchange}"));
    assert_eq!(send(platform.with_internal_token(platform.client.request("DELETE", url))).await.status, 204);
}

async fn order_uses_price_agreed_by_exchanges(stack: Stack) {
    let platform = start_with_exchanges(stack).await;
    let first = record(&platform).await;
    assert_eq!((&first["base"], &first["state"], &first["simulated"]), (&"BTC".into(), &"fresh".into(), &true.into()));
    for currency in ["EUR", "GBP", "USD"] {
        assert_eq!(sources(&first, currency), ["coinbase", "kraken"]);
    }
    platform.create_order.wait_until_ready().await;
    let placed = platform.place(order("EUR", "69")).await.json(201);
    // An order at a simulated price is marked as simulated.
    assert_eq!(placed["simulated"], true);
    assert_eq!(platform.all_pages("/get_orders").await[0]["simulated"], true);
    // The price is published at every interval.
    let second = wait_for_record(&platform, "the next record", |record| record["as_of"] != first["as_of"]).await;
    wait_for_record(&platform, "the record after the next", |record| record["as_of"] != second["as_of"]).await;
}

/// Runs on one stack only, because the test takes long and does not depend on the storage of the price record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_exchange_loses_only_its_own_vote() {
    let platform = start_with_exchanges(Stack::Embedded).await;
    for fault in ["down", "error_500", "html_520", "slow", "garbled", "error_in_200"] {
        start_fault(&platform, "kraken", fault).await;
        let fault_start = Timestamp::now().to_string();
        let later =
            wait_for_record(&platform, fault, |record| record["as_of"].as_str().unwrap() > fault_start.as_str()).await;
        assert_eq!(sources(&later, "EUR"), ["coinbase"], "{fault}");
        assert_eq!(later["state"], "fresh", "{fault}");
        platform.place(order("EUR", "69")).await.json(201);
    }
    end_fault(&platform, "kraken").await;
    wait_for_record(&platform, "kraken is used again", |record| sources(record, "EUR").len() == 2).await;
    // After a rate-limited response, price-updater pauses the source for some time, even if the source works again.
    start_fault(&platform, "kraken", "rate_limited").await;
    wait_for_record(&platform, "kraken is excluded", |record| sources(record, "EUR") == ["coinbase"]).await;
    end_fault(&platform, "kraken").await;
    let paused = wait_until("kraken is paused", LIMIT, async || {
        let report = platform.client.get_internal(platform.price_updater.url("/sources")).await.json(200);
        let kraken = report["sources"].as_array().unwrap().iter().find(|source| source["name"] == "kraken").cloned();
        kraken.filter(|source| source["errors"].to_string().contains("paused"))
    });
    assert_eq!(paused.await["ok"], false);
}

async fn outlier_exchange_is_excluded(stack: Stack) {
    let platform = start_with_exchanges(stack).await;
    let agreed = rate(&record(&platform).await["prices"]["EUR"]["price"]).hundred_millionths();
    start_fault(&platform, "coinbase", "lie_factor").await;
    wait_for_record(&platform, "coinbase is excluded", |record| sources(record, "EUR") == ["kraken"]).await;
    end_fault(&platform, "coinbase").await;
    // Only one source deviates at a time: two deviating sources could form a majority.
    let both = ["coinbase", "kraken"];
    wait_for_record(&platform, "coinbase is used again", |record| sources(record, "EUR") == both).await;
    start_fault(&platform, "kraken", "lie_factor").await;
    wait_for_record(&platform, "kraken is excluded", |record| sources(record, "EUR") == ["coinbase"]).await;
    let placed = platform.place(order("EUR", "69")).await.json(201);
    let used = rate(&placed["exchange_rate"]).hundred_millionths();
    assert!((used - agreed).abs() < agreed / 10, "{placed}");
}

async fn last_price_is_prolonged_when_all_exchanges_fail(stack: Stack) {
    let platform = start_with_exchanges(stack).await;
    for exchange in ["coinbase", "kraken"] {
        start_fault(&platform, exchange, "error_500").await;
    }
    let prolonged =
        wait_for_record(&platform, "the record is prolonged", |record| record["state"] == "prolonged").await;
    // Each order is accepted. create-order receives the prolonged price slightly later than the cache.
    let placed = wait_until("an order has the prolonged price", LIMIT, async || {
        Some(platform.place(order("EUR", "69")).await.json(201)).filter(|order| order["price_state"] == "prolonged")
    })
    .await;
    // A prolonged price keeps its `as_of`.
    assert!(placed["price_as_of"].as_str() <= prolonged["as_of"].as_str(), "{placed} {prolonged}");
    // The service `rates` shows the same price, time and state.
    let get = async |path: &str| platform.client.get(platform.rates.url(path)).await;
    let shown = wait_until("rates shows the prolonged price", LIMIT, async || {
        // This chart is cached with the state that the price has now.
        get("/api/v1/price/chart.svg?direction=BTC-EUR&hours=1").await;
        let response = get("/api/v1/price?direction=BTC-EUR").await;
        assert_eq!(response.status, 200, "{}", response.text());
        Some(response.json(200)).filter(|price| price["state"] == "prolonged")
    });
    let shown = shown.await;
    assert_eq!((&shown["price"], &shown["as_of"]), (&placed["exchange_rate"], &placed["price_as_of"]));
    assert!(shown["age_secs"].as_u64().is_some() && shown["expires_at"].is_string(), "{shown}");
    let converted = get("/api/v1/convert?from=BTC&to=EUR&amount=1").await.json(200);
    assert_eq!((&converted["state"], &converted["as_of"]), (&"prolonged".into(), &shown["as_of"]));
    let chart = get("/api/v1/price/chart.svg?direction=BTC-EUR&hours=1").await;
    assert!(chart.text().contains("PROLONGED") && chart.text().contains("SIMULATED"), "{}", chart.text());
    let ready = platform.client.get(platform.create_order.url("/readyz")).await.json(200);
    let euros = ready["parts"].as_array().unwrap().iter().find(|component| component["name"] == "price:EUR").unwrap();
    assert_eq!(euros["marks"], json!(["simulated", "prolonged"]), "{ready}");
    for exchange in ["coinbase", "kraken"] {
        end_fault(&platform, exchange).await;
    }
    let fresh = wait_for_record(&platform, "prices are fresh again", |record| record["state"] == "fresh").await;
    assert!(fresh["as_of"].as_str() > prolonged["as_of"].as_str());
}
