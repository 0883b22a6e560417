//! Prices the real way: simulated exchanges are asked by price-updater, which writes what they agree on to the cache.

use std::time::Duration;

use common::{money::Rate, time::Timestamp};
use serde_json::{Value, json};
use tests::{Platform, Stack, client::send, on_both_stacks, platform::order, wait_until};

on_both_stacks!(
    order_uses_price_agreed_by_exchanges,
    outlier_exchange_is_excluded,
    last_price_is_prolonged_when_all_exchanges_fail,
);

/// A few rounds of a second.
const LIMIT: Duration = Duration::from_secs(15);

async fn with_exchanges(stack: Stack) -> Platform {
    let builder = Platform::builder(stack).without_prices();
    let builder = builder.set("PRICE_REFRESH_SECS", "1").set("PRICE_TTL_SECS", "8").set("SOURCE_TIMEOUT_SECS", "1");
    let platform = builder.start().await;
    platform.start_other_services().await;
    platform
}

async fn record(platform: &Platform) -> Value {
    platform.client.get(platform.price_cache.url("/record")).await.json(200)
}

/// Waits for a record that is as it should be.
async fn record_where(platform: &Platform, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, LIMIT, async || Some(record(platform).await).filter(|record| is(record))).await
}

fn sources(record: &Value, currency: &str) -> Vec<String> {
    serde_json::from_value(record["prices"][currency]["sources"].clone()).unwrap()
}

fn rate(text: &Value) -> Rate {
    text.as_str().unwrap().parse().unwrap()
}

async fn fail(platform: &Platform, exchange: &str, fault: &str) {
    let url = platform.exchange_sim.url(&format!("/admin/faults/{exchange}"));
    let request = platform.internal(platform.client.request("PUT", url));
    let body = json!({ "fault": fault, "seconds": 600 }).to_string();
    send(request.header("content-type", "application/json").body(body)).await.json(200);
}

async fn mend(platform: &Platform, exchange: &str) {
    let url = platform.exchange_sim.url(&format!("/admin/faults/{exchange}"));
    assert_eq!(send(platform.internal(platform.client.request("DELETE", url))).await.status, 204);
}

async fn order_uses_price_agreed_by_exchanges(stack: Stack) {
    let platform = with_exchanges(stack).await;
    let first = record(&platform).await;
    assert_eq!((&first["base"], &first["state"], &first["simulated"]), (&"BTC".into(), &"fresh".into(), &true.into()));
    for currency in ["EUR", "GBP", "USD"] {
        assert_eq!(sources(&first, currency), ["coinbase", "kraken"]);
    }
    platform.create_order.wait_until_ready().await;
    let placed = platform.place(order("EUR", "69")).await.json(201);
    // Made-up prices are marked as such wherever they are shown.
    assert_eq!(placed["simulated"], true);
    assert_eq!(platform.all_pages("/get_orders").await[0]["simulated"], true);
    // Round after round.
    let second = record_where(&platform, "the next round", |record| record["as_of"] != first["as_of"]).await;
    record_where(&platform, "the round after", |record| record["as_of"] != second["as_of"]).await;
}

/// Where the record is kept makes no difference to this, and each way to fail takes a round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_exchange_loses_only_its_own_vote() {
    let platform = with_exchanges(Stack::Embedded).await;
    for fault in ["down", "error_500", "html_520", "slow", "garbled", "error_in_200"] {
        fail(&platform, "kraken", fault).await;
        let set = Timestamp::now().to_string();
        let later = record_where(&platform, fault, |record| record["as_of"].as_str().unwrap() > set.as_str()).await;
        assert_eq!(sources(&later, "EUR"), ["coinbase"], "{fault}");
        assert_eq!(later["state"], "fresh", "{fault}");
        platform.place(order("EUR", "69")).await.json(201);
    }
    mend(&platform, "kraken").await;
    record_where(&platform, "it is back", |record| sources(record, "EUR").len() == 2).await;
    // One that has enough of us is left alone for a while, also when it would answer again.
    fail(&platform, "kraken", "rate_limited").await;
    record_where(&platform, "it is left out", |record| sources(record, "EUR") == ["coinbase"]).await;
    mend(&platform, "kraken").await;
    let paused = wait_until("it is left alone", LIMIT, async || {
        let report = platform.client.get_internal(platform.price_updater.url("/sources")).await.json(200);
        let kraken = report["sources"].as_array().unwrap().iter().find(|source| source["name"] == "kraken").cloned();
        kraken.filter(|source| source["errors"].to_string().contains("paused"))
    });
    assert_eq!(paused.await["ok"], false);
}

async fn outlier_exchange_is_excluded(stack: Stack) {
    let platform = with_exchanges(stack).await;
    let honest = rate(&record(&platform).await["prices"]["EUR"]["price"]).hundred_millionths();
    fail(&platform, "coinbase", "lie_factor").await;
    record_where(&platform, "the liar is left out", |record| sources(record, "EUR") == ["kraken"]).await;
    mend(&platform, "coinbase").await;
    // Two that lie at once cannot be told from two that are right.
    let both = ["coinbase", "kraken"];
    record_where(&platform, "it is believed again", |record| sources(record, "EUR") == both).await;
    fail(&platform, "kraken", "lie_factor").await;
    record_where(&platform, "the other one is left out", |record| sources(record, "EUR") == ["coinbase"]).await;
    let placed = platform.place(order("EUR", "69")).await.json(201);
    let used = rate(&placed["exchange_rate"]).hundred_millionths();
    assert!((used - honest).abs() < honest / 10, "{placed}");
}

async fn last_price_is_prolonged_when_all_exchanges_fail(stack: Stack) {
    let platform = with_exchanges(stack).await;
    for exchange in ["coinbase", "kraken"] {
        fail(&platform, exchange, "error_500").await;
    }
    let prolonged = record_where(&platform, "the record is prolonged", |record| record["state"] == "prolonged").await;
    let placed = platform.place(order("EUR", "69")).await.json(201);
    // It does not become younger by that.
    assert!(placed["price_as_of"].as_str() <= prolonged["as_of"].as_str(), "{placed} {prolonged}");
    for exchange in ["coinbase", "kraken"] {
        mend(&platform, exchange).await;
    }
    let fresh = record_where(&platform, "prices are fresh again", |record| record["state"] == "fresh").await;
    assert!(fresh["as_of"].as_str() > prolonged["as_of"].as_str());
}
