//! Quotes: a quote reserves a part of the limit, and at most one order takes the quote before it expires.

use std::time::Duration;

use common::time::Timestamp;
use tests::{
    Platform, Stack,
    client::{RESPONSE_TIMEOUT, send},
    on_both_stacks,
    platform::{Validity, order},
    wait_until,
};
use tokio::task::JoinSet;

on_both_stacks!(
    order_from_quote_uses_quoted_price_after_price_change,
    quote_is_taken_by_query_parameter,
    concurrent_takers_of_one_quote_place_one_order,
    expired_quote_returns_reservation,
    quote_counts_against_limit,
    invalid_quote_request_is_refused,
    quote_without_a_price_is_refused,
    quote_survives_db_proxy_restart,
    quotes_of_one_client_cannot_exhaust_the_limit,
    quotes_of_all_clients_cannot_exhaust_the_limit,
    quote_shows_its_current_state,
    released_quote_returns_reservation_immediately,
    quote_outside_configured_amounts_is_refused,
);

/// The body of an order that takes a quote.
fn order_from_quote(id: &str) -> String {
    format!(r#"{{"quote":"{id}"}}"#)
}

/// Creates a quote for an amount in euros, and returns it with its id.
async fn create_quote(platform: &Platform, amount: &str) -> (serde_json::Value, String) {
    let quote = platform.quote(order("EUR", amount)).await.json(201);
    let id = quote["id"].as_str().unwrap().to_owned();
    (quote, id)
}

async fn order_from_quote_uses_quoted_price_after_price_change(stack: Stack) {
    let platform = Platform::start(stack).await;
    let (quote, id) = create_quote(&platform, "69").await;
    assert_eq!((&quote["amount"], &quote["exchange_rate"]), (&"69.00".into(), &"84000.12".into()));
    assert_eq!(quote["bitcoin_amount"], "0.00082143");
    assert_eq!(platform.summary().await["reserved"], "0.00082143");

    // The new record has no price for the currency of the quote.
    platform.put_prices(&[("USD", "5")], Validity::default()).await;
    let taken = platform.place_with_key("a-key", order_from_quote(&id)).await;
    let order = taken.json(201);
    for field in ["currency", "amount", "exchange_rate", "bitcoin_amount", "price_as_of", "simulated"] {
        assert_eq!(order[field], quote[field], "{field}");
    }
    let again = platform.place_with_key("a-key", order_from_quote(&id)).await;
    assert_eq!((again.json(201), again.header("idempotency-replayed")), (order, Some("true")));
    platform.place(order_from_quote(&id)).await.problem(409, "quote_taken");
    let summary = platform.summary().await;
    assert_eq!((&summary["count"], &summary["reserved"]), (&1.into(), &"0.00000000".into()));
}

async fn quote_is_taken_by_query_parameter(stack: Stack) {
    let platform = Platform::start(stack).await;
    let (quote, id) = create_quote(&platform, "69").await;
    let url = platform.create_order.url(&format!("/place_order/?quote={id}"));
    let placed = send(platform.client.request("POST", &url)).await.json(201);
    assert_eq!(placed["order"]["bitcoin_amount"], quote["bitcoin_amount"]);
    send(platform.client.request("POST", &url)).await.problem(409, "quote_taken");
}

async fn concurrent_takers_of_one_quote_place_one_order(stack: Stack) {
    let platform = std::sync::Arc::new(Platform::start(stack).await);
    let (_, id) = create_quote(&platform, "69").await;
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (platform, body) = (platform.clone(), order_from_quote(&id));
        requests.spawn(async move { platform.place(body).await });
    }
    let responses = requests.join_all().await;
    let placed = responses.iter().filter(|response| response.status == 201).count();
    assert_eq!(placed, 1);
    for response in responses.iter().filter(|response| response.status != 201) {
        response.problem(409, "quote_taken");
    }
    assert_eq!(platform.summary().await["count"], 1);
}

async fn expired_quote_returns_reservation(stack: Stack) {
    let platform = Platform::builder(stack).set("QUOTE_HOLD_SECS", "1").start().await;
    let (quote, id) = create_quote(&platform, "69").await;
    let expires_at: Timestamp = quote["expires_at"].as_str().unwrap().parse().unwrap();
    let unreserved = async || (platform.summary().await["reserved"] == "0.00000000").then_some(());
    wait_until("the reservation ends", RESPONSE_TIMEOUT, unreserved).await;
    let delay = Timestamp::now().since(expires_at);
    assert!(delay < Duration::from_secs(1), "the reservation ended {delay:?} after the expiry");
    assert!(Timestamp::now() >= expires_at, "the reservation ended before the expiry");
    platform.place(order_from_quote(&id)).await.problem(409, "quote_expired");
    assert_eq!(platform.summary().await["count"], 0);
}

async fn quote_counts_against_limit(stack: Stack) {
    // The limit is the bitcoin amount of one order of 69 EUR plus 7 satoshi.
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00082150").start().await;
    let (_, id) = create_quote(&platform, "69").await;
    for response in [platform.quote(order("EUR", "69")).await, platform.place(order("EUR", "69")).await] {
        assert_eq!(response.problem(409, "limit_exceeded")["remaining_bitcoin"], "0.00000007");
    }
    platform.place(order_from_quote(&id)).await.json(201);
    assert_eq!(platform.summary().await["remaining"], "0.00000007");
}

async fn invalid_quote_request_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.quote(order("EUR", "0")).await.invalid_fields(&["amount"]);
    platform.quote("{}").await.invalid_fields(&["currency", "amount"]);
    let (_, id) = create_quote(&platform, "69").await;
    platform.place(format!(r#"{{"quote":"{id}","amount":"69"}}"#)).await.invalid_fields(&["amount"]);
    platform.place(order_from_quote("7")).await.invalid_fields(&["quote"]);
    let unknown = platform.place(order_from_quote("01a1fd9f-ceb3-725e-83ba-6e2a33032a2b")).await;
    assert_eq!(unknown.problem(422, "quote_unknown")["errors"][0]["field"], "quote");
    platform.place(order_from_quote(&id)).await.json(201);
}

async fn quote_without_a_price_is_refused(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    let refused = platform.quote(order("EUR", "69")).await;
    refused.problem(503, "price_unavailable");
    assert!(refused.header("retry-after").is_some());
}

async fn quote_survives_db_proxy_restart(stack: Stack) {
    let platform = Platform::start(stack).await;
    let (_, id) = create_quote(&platform, "69").await;
    platform.db_proxy.stop().await;
    platform.db_proxy.start().await;
    let placed = async || (platform.place_with_key("a-key", order_from_quote(&id)).await.status == 201).then_some(());
    wait_until("the order is placed", RESPONSE_TIMEOUT, placed).await;
    assert_eq!(platform.summary().await["count"], 1);
}

/// Requests a quote as the client with this IP address.
async fn quote_from(platform: &Platform, address: &str, body: String) -> tests::Response {
    let request = platform.client.json(platform.create_order.url("/api/v1/quotes"), body);
    send(request.header("x-forwarded-for", address)).await
}

async fn quotes_of_one_client_cannot_exhaust_the_limit(stack: Stack) {
    // One US dollar buys one satoshi, so the limit is 10 million dollars. One client can reserve a tenth of the limit.
    let builder = Platform::builder(stack).set("BTC_LIMIT", "0.1").set("TRUSTED_PROXIES", "127.0.0.1");
    let platform = builder.start().await;
    let refused = quote_from(&platform, "192.0.2.1", order("USD", "1000001")).await;
    assert_eq!(refused.problem(409, "quote_limit_exceeded")["remaining_bitcoin"], "0.01000000");
    quote_from(&platform, "192.0.2.1", order("USD", "600000")).await.json(201);
    for _ in 0..3 {
        let refused = quote_from(&platform, "192.0.2.1", order("USD", "400001")).await;
        let problem = refused.problem(409, "quote_limit_exceeded");
        assert_eq!(problem["remaining_bitcoin"], "0.00400000");
    }
    quote_from(&platform, "192.0.2.1", order("USD", "400000")).await.json(201);
    quote_from(&platform, "192.0.2.1", order("USD", "1")).await.problem(409, "quote_limit_exceeded");
    // Another client can reserve its own tenth. Orders can use the part of the limit that is not reserved.
    quote_from(&platform, "192.0.2.2", order("USD", "1000000")).await.json(201);
    platform.place(order("USD", "8000000")).await.json(201);
    assert_eq!(platform.summary().await["reserved"], "0.02000000");
}

async fn quotes_of_all_clients_cannot_exhaust_the_limit(stack: Stack) {
    let builder = Platform::builder(stack).set("BTC_LIMIT", "0.1").set("TRUSTED_PROXIES", "127.0.0.1");
    let platform = builder.set("QUOTE_MAX_BTC_TOTAL", "0.025").start().await;
    for (address, amount) in [("192.0.2.1", "1000000"), ("2001:db8::1", "1000000"), ("2001:db8:0:1::1", "500000")] {
        quote_from(&platform, address, order("USD", amount)).await.json(201);
    }
    let refused = quote_from(&platform, "192.0.2.9", order("USD", "1")).await;
    assert_eq!(refused.problem(409, "quote_limit_exceeded")["remaining_bitcoin"], "0.00000000");
    platform.place(order("USD", "7500000")).await.json(201);
    assert_eq!(platform.summary().await["remaining"], "0.00000000");
}

/// Sends a request to the path of one quote.
async fn send_to_quote(platform: &Platform, method: &str, id: &str) -> tests::Response {
    send(platform.client.request(method, platform.create_order.url(&format!("/api/v1/quotes/{id}")))).await
}

async fn quote_shows_its_current_state(stack: Stack) {
    let platform = Platform::builder(stack).set("QUOTE_HOLD_SECS", "2").start().await;
    let (quote, id) = create_quote(&platform, "69").await;
    let (_, unused) = create_quote(&platform, "70").await;
    assert_eq!(quote["state"], "open");
    assert_eq!(send_to_quote(&platform, "GET", &id).await.json(200), quote);

    let order = platform.place(order_from_quote(&id)).await.json(201);
    let taken = send_to_quote(&platform, "GET", &id).await.json(200);
    assert_eq!((&taken["state"], &taken["order_id"]), (&"taken".into(), &order["id"]));
    assert_eq!(taken["bitcoin_amount"], quote["bitcoin_amount"]);

    let expired =
        async || (send_to_quote(&platform, "GET", &unused).await.json(200)["state"] == "expired").then_some(());
    wait_until("the quote expires", RESPONSE_TIMEOUT, expired).await;
    send_to_quote(&platform, "GET", "01a1fd9f-ceb3-725e-83ba-6e2a33032a2b").await.problem(404, "not_found");
}

async fn released_quote_returns_reservation_immediately(stack: Stack) {
    // The limit is the bitcoin amount of one order of 69 EUR plus 7 satoshi.
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00082150").start().await;
    let (_, id) = create_quote(&platform, "69").await;
    for _ in 0..2 {
        let released = send_to_quote(&platform, "DELETE", &id).await;
        assert_eq!((released.status, released.text().as_str()), (204, ""));
        assert_eq!(platform.summary().await["reserved"], "0.00000000");
    }
    let quote = send_to_quote(&platform, "GET", &id).await.json(200);
    assert_eq!((&quote["state"], quote.get("order_id")), (&"released".into(), None));
    platform.place(order_from_quote(&id)).await.problem(409, "quote_expired");

    let (_, taken) = create_quote(&platform, "69").await;
    let order = platform.place(order_from_quote(&taken)).await.json(201);
    send_to_quote(&platform, "DELETE", &taken).await.problem(409, "quote_taken");
    let id = order["id"].as_str().unwrap();
    assert_eq!(platform.fetch(&format!("/api/v1/orders/{id}")).await.json(200), order);
    send_to_quote(&platform, "DELETE", "01a1fd9f-ceb3-725e-83ba-6e2a33032a2b").await.problem(404, "not_found");
    let summary = platform.summary().await;
    assert_eq!((&summary["count"], &summary["bitcoin_amount"]), (&1.into(), &"0.00082143".into()));
}

async fn quote_outside_configured_amounts_is_refused(stack: Stack) {
    let builder = Platform::builder(stack).set("ORDER_MIN_AMOUNT", "EUR:10").set("ORDER_MAX_AMOUNT", "EUR:100");
    let platform = builder.start().await;
    for (amount, reason) in [
        ("9.9999", "must be at least 10.00 EUR, but is \"9.9999\""),
        ("3", "must be at least 10.00 EUR, but is \"3\""),
        ("100.0001", "must be at most 100.00 EUR, but is \"100.0001\""),
    ] {
        let refused = platform.quote(order("EUR", amount)).await.problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["message"], reason, "{refused}");
    }
    for amount in ["10", "100"] {
        platform.quote(order("EUR", amount)).await.json(201);
    }
    platform.quote(order("USD", "0.01")).await.json(201);
}
