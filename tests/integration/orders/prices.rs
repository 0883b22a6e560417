//! Orders and the price record: no price, an expired price, a changed price, and an outage of the cache.

use std::time::{Duration, Instant};

use common::time::Timestamp;
use tests::{
    Platform, Response, Stack, on_both_stacks,
    platform::{PRICES, TTL, Validity, order},
    wait_until,
};

on_both_stacks!(
    order_without_price_is_refused,
    expired_price_is_never_used,
    order_is_refused_only_if_its_currency_has_no_price,
    new_price_applies_to_new_orders_only,
    cached_price_is_used_until_expiry_during_cache_outage,
    price_record_has_documented_fields,
    prolonged_price_is_accepted_up_to_max_age,
);

#[track_caller]
fn assert_price_unavailable(response: &Response) {
    let problem = response.problem(503, "price_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("price"), "{problem}");
}

async fn order_without_price_is_refused(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    assert_eq!(platform.client.get(platform.price_cache.url("/record")).await.status, 204);
    let not_ready = platform.client.get(platform.create_order.url("/readyz")).await;
    assert_eq!(not_ready.status, 503);
    assert!(not_ready.text().contains("price"), "{}", not_ready.text());
    assert_price_unavailable(&platform.place(order("EUR", "69")).await);
    assert_price_unavailable(&platform.place_with_key("a-key", order("EUR", "69")).await);
    // An invalid order is refused as invalid even without a price.
    platform.place(order("EUR", "-1")).await.invalid_fields(&["amount"]);
    assert_eq!(platform.summary().await["count"], 0);
    platform.put_default_prices().await;
    // The refused order did not use up its idempotency key.
    assert_eq!(platform.place_with_key("a-key", order("EUR", "70")).await.json(201)["amount"], "70.00");
    platform.create_order.wait_until_ready().await;
}

async fn expired_price_is_never_used(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    // The price expires in half a second.
    let validity = Validity { ttl: Duration::from_secs(2), age: Duration::from_millis(1500) };
    let record = platform.put_prices(&PRICES, validity).await;
    let first = platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
    let refused = wait_until("the price expires", Duration::from_secs(3), async || {
        let response = platform.place(order("EUR", "69")).await;
        (response.status != 201).then_some(response)
    });
    assert_price_unavailable(&refused.await);
    for order in platform.all_pages("/get_orders").await {
        let created_at = order["created_at"].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert!(created_at < record.expires_at, "{order} was placed after the expiry at {}", record.expires_at);
    }
    // A retry of a placed order needs no price. A different order with the same key is refused.
    let again = platform.place_with_key("a-key", order("EUR", "69")).await;
    assert_eq!(again.json(201), first);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    platform.place_with_key("a-key", order("EUR", "70")).await.problem(422, "idempotency_key_reused");
    assert_price_unavailable(&platform.place_with_key("another", order("EUR", "69")).await);
    let not_ready = platform.client.get(platform.create_order.url("/readyz")).await;
    assert_eq!(not_ready.status, 503);
}

async fn order_is_refused_only_if_its_currency_has_no_price(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    platform.put_prices(&PRICES[..1], Validity::default()).await;
    platform.place(order("EUR", "69")).await.json(201);
    let response = platform.place(order("USD", "69")).await;
    let problem = response.problem(503, "price_unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("USD"), "{problem}");
    assert_price_unavailable(&platform.place_with_key("a-key", order("GBP", "69")).await);
}

async fn new_price_applies_to_new_orders_only(stack: Stack) {
    let platform = Platform::start(stack).await;
    let first = platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
    let record = platform.put_prices(&[("EUR", "42000.06")], Validity::default()).await;
    let start = Instant::now();
    let later = wait_until("the new price is used", Duration::from_secs(3), async || {
        let order = platform.place(order("EUR", "69")).await.json(201);
        (order["exchange_rate"] == "42000.06").then_some(order)
    });
    let later = later.await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(later["bitcoin_amount"], "0.00164286");
    assert_eq!(later["price_as_of"], record.as_of.to_string());
    // A delayed older record does not replace the newer record.
    platform.put_prices(&[("EUR", "1")], Validity { age: Duration::from_mins(1), ..Validity::default() }).await;
    let shown = platform.client.get(platform.price_cache.url("/record")).await.json(200);
    assert_eq!(shown["prices"]["EUR"]["price"], "42000.06");
    assert_eq!(platform.place_with_key("a-key", order("EUR", "69")).await.json(201), first);
}

async fn cached_price_is_used_until_expiry_during_cache_outage(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    platform.put_prices(&PRICES, Validity { ttl: Duration::from_secs(3), age: Duration::from_secs(1) }).await;
    platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
    platform.price_cache.stop().await;
    platform.place(order("EUR", "69")).await.json(201);
    let refused = wait_until("the price expires", Duration::from_secs(5), async || {
        let response = platform.place(order("EUR", "69")).await;
        (response.status != 201).then_some(response)
    });
    assert_price_or_cache_unavailable(&refused.await);
    assert_eq!(platform.place_with_key("a-key", order("EUR", "69")).await.header("idempotency-replayed"), Some("true"));
    platform.price_cache.start().await;
    platform.put_default_prices().await;
    wait_until("orders are placed again", Duration::from_secs(3), async || {
        (platform.place(order("EUR", "69")).await.status == 201).then_some(())
    })
    .await;
}

/// Asserts a 503 with one of the two codes: whether the cache or the price is reported depends on timing.
#[track_caller]
fn assert_price_or_cache_unavailable(response: &Response) {
    let cache = response.text().contains("cache_unavailable");
    response.problem(503, if cache { "cache_unavailable" } else { "price_unavailable" });
}

async fn price_record_has_documented_fields(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    let record = platform.put_default_prices().await;
    let shown = platform.client.get(platform.price_cache.url("/record")).await.json(200);
    let (as_of, expires_at) = (record.as_of.to_string(), record.as_of.plus(TTL).to_string());
    let price = |price: &str| {
        serde_json::json!({
            "price": price,
            "sources": ["alpha", "beta"],
            "state": "fresh",
            "as_of": as_of,
            "expires_at": expires_at,
        })
    };
    assert_eq!(
        shown,
        serde_json::json!({
            "base": "BTC",
            "state": "fresh",
            "as_of": as_of,
            "newest_as_of": as_of,
            "expires_at": expires_at,
            "simulated": false,
            "prices": { "EUR": price("84000.12"), "GBP": price("72345.67890123"), "USD": price("100000000.00") },
        })
    );
}

async fn prolonged_price_is_accepted_up_to_max_age(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().set("PRICE_MAX_AGE_SECS", "300").start().await;
    let put = async |state: &str, age: u64| {
        let as_of = Timestamp::now().minus(Duration::from_secs(age)).to_string();
        let prices = serde_json::json!({ "EUR": { "price": "84000.12", "sources": ["alpha"] } });
        let record = serde_json::json!({ "state": state, "as_of": as_of, "simulated": false, "prices": prices });
        let url = platform.price_cache.url("/add/?ttl=3600");
        platform.client.post_internal(url, record.to_string()).await.json(201);
        as_of
    };
    put("prolonged", 310).await;
    let refused = wait_until("the prolonged price is refused", Duration::from_secs(3), async || {
        let response = platform.place(order("EUR", "69")).await;
        response.text().contains("300 s").then_some(response)
    });
    let refused = refused.await;
    assert_price_unavailable(&refused);
    assert_eq!(refused.header("retry-after"), Some("15"));
    // The text contains the age of the price, 310 s or slightly more.
    assert!(refused.text().contains("is 31"), "{}", refused.text());
    assert_price_unavailable(&platform.quote(order("EUR", "69")).await);

    // The maximum age does not apply to a fresh price.
    let as_of = put("fresh", 305).await;
    wait_until("the fresh price is used", Duration::from_secs(3), async || {
        let response = platform.place_with_key("a-key", order("EUR", "69")).await;
        (response.status == 201 && response.json(201)["price_as_of"] == as_of).then_some(())
    })
    .await;
    put("prolonged", 302).await;
    wait_until("the price is refused again", Duration::from_secs(3), async || {
        (platform.place(order("EUR", "69")).await.status == 503).then_some(())
    })
    .await;
    // A retry returns the placed order even if the price is too old.
    platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
}
