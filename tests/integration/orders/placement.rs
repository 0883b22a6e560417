//! Valid orders: the accepted formats of the request, and exact amounts.

use common::{
    api::prices::{NewPriceRecord, Price, PriceState},
    ids::OrderId,
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use serde_json::Value;
use tests::{
    Platform, Response, Stack,
    client::{RESPONSE_TIMEOUT, send},
    on_both_stacks,
    platform::{TTL, Validity, order},
    wait_until,
};

on_both_stacks!(
    place_order_accepts_json_bodies_form_bodies_and_queries,
    placed_order_has_documented_fields,
    url_in_location_header_returns_the_order,
    prolonged_price_is_shown_in_order_quote_and_export,
    amounts_are_parsed_and_converted_exactly,
    largest_amount_is_accepted_within_the_limit,
    json_content_types_are_accepted,
    currencies_setting_decides_accepted_currencies,
    orders_without_idempotency_key_are_separate,
);

#[track_caller]
fn assert_placed(response: &Response, message: &str) {
    let body = response.json(201);
    assert_eq!(body["message"], message);
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    let shown = format!("Order was placed for {}:{}", text(&body["order"], "currency"), text(&body["order"], "amount"));
    assert_eq!(shown, message);
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is not a string in {value}"))
}

async fn place_order_accepts_json_bodies_form_bodies_and_queries(stack: Stack) {
    let platform = Platform::start(stack).await;
    let mut count = 0;
    for path in ["/place_order", "/place_order/"] {
        for (body, message) in [
            (r#"{"currency":"USD","amount":600}"#, "Order was placed for USD:600.00"),
            (r#" { "amount" : "69" , "currency" : "eur" } "#, "Order was placed for EUR:69.00"),
            (r#"{"currency":"gBp","amount":"0.0001"}"#, "Order was placed for GBP:0.0001"),
        ] {
            assert_placed(&platform.client.post(platform.create_order.url(path), body).await, message);
            count += 1;
        }
        for (form, message) in [
            ("currency=eur&amount=69", "Order was placed for EUR:69.00"),
            ("amount=12.345&currency=USD&quote=", "Order was placed for USD:12.345"),
        ] {
            for content_type in
                ["application/x-www-form-urlencoded", "Application/X-WWW-form-urlencoded; charset=utf-8"]
            {
                let request = platform.client.request("POST", platform.create_order.url(path));
                assert_placed(&send(request.header("content-type", content_type).body(form)).await, message);
                count += 1;
            }
        }
        for (query, message) in [
            ("?currency=eur&amount=69", "Order was placed for EUR:69.00"),
            ("?amount=12.345&currency=USD", "Order was placed for USD:12.345"),
            ("?currency=GBP&amount=1000", "Order was placed for GBP:1000.00"),
        ] {
            let url = platform.create_order.url(&format!("{path}{query}"));
            assert_placed(&send(platform.client.request("POST", &url)).await, message);
            // An empty body, which curl and browsers send, is the same as no body.
            let form =
                platform.client.request("POST", &url).header("content-type", "application/x-www-form-urlencoded");
            assert_placed(&send(form).await, message);
            assert_placed(&platform.client.post(&url, "").await, message);
            count += 3;
        }
    }
    for path in ["/api/v1/orders", "/api/v1/orders/"] {
        let response = platform.client.post(platform.create_order.url(path), order("usd", "600")).await;
        assert_eq!(text(&response.json(201), "amount"), "600.00");
        count += 1;
    }
    assert_eq!(platform.summary().await["count"], count);
}

async fn placed_order_has_documented_fields(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    let record = platform.put_default_prices().await;
    let before = Timestamp::now();
    let shown = platform.place(order("EUR", "69")).await.json(201);
    let after = Timestamp::now();
    let fields: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    let mut documented =
        ["id", "created_at", "currency", "amount", "exchange_rate", "bitcoin_amount", "price_as_of", "simulated"];
    documented.sort_unstable();
    assert_eq!(fields, documented);
    let id = text(&shown, "id").parse::<OrderId>().unwrap();
    assert_eq!(id.0.get_version_num(), 7);
    assert_eq!(id.to_string(), text(&shown, "id"));
    let created_at = text(&shown, "created_at").parse::<Timestamp>().unwrap();
    assert!((before..=after).contains(&created_at), "{before} {created_at} {after}");
    assert!(text(&shown, "created_at").ends_with('Z'));
    assert_eq!(text(&shown, "currency"), "EUR");
    assert_eq!(text(&shown, "amount"), "69.00");
    assert_eq!(text(&shown, "exchange_rate"), "84000.12");
    assert_eq!(text(&shown, "bitcoin_amount"), "0.00082143");
    assert_eq!(text(&shown, "price_as_of"), record.as_of.to_string());
    assert_eq!(shown["simulated"], false);
}

async fn url_in_location_header_returns_the_order(stack: Stack) {
    let platform = Platform::start(stack).await;
    let versioned = platform.place(order("EUR", "69")).await;
    let unversioned = platform.client.post(platform.create_order.url("/place_order"), order("GBP", "1")).await;
    for (response, shown) in [(&versioned, versioned.json(201)), (&unversioned, unversioned.json(201)["order"].clone())]
    {
        let location = response.header("location").unwrap();
        assert_eq!(platform.client.get(location).await.json(200), shown);
        // A retry with the generated key of the response returns the same order.
        let key = response.header("idempotency-key").unwrap();
        let again = platform.place_with_key(key, order(text(&shown, "currency"), text(&shown, "amount"))).await;
        assert_eq!(again.json(201), shown);
        assert_eq!(again.header("location"), Some(location));
    }
    // The list begins with the order that was acknowledged last.
    let page = platform.fetch("/get_orders?page_size=1").await.json(200);
    assert_eq!(page["data"][0], unversioned.json(201)["order"]);
}

async fn amounts_are_parsed_and_converted_exactly(stack: Stack) {
    let platform = Platform::start(stack).await;
    for (sent, shown) in [
        ("0.1", "0.10"),
        ("0.3", "0.30"),
        ("1e3", "1000.00"),
        ("1E-4", "0.0001"),
        ("1.5e+2", "150.00"),
        ("600", "600.00"),
        ("\"600.00\"", "600.00"),
        ("\"1000\"", "1000.00"),
        ("0.0001", "0.0001"),
        ("0.1000", "0.10"),
        ("0.100000000000000000000", "0.10"),
        ("1234567.8901", "1234567.8901"),
        ("\"123456.7891\"", "123456.7891"),
        ("1000e-3", "1.00"),
        ("\"\\u0036\"", "6.00"),
    ] {
        for currency in ["EUR", "GBP"] {
            let response = platform.place(format!(r#"{{"currency":"{currency}","amount":{sent}}}"#)).await.json(201);
            assert_eq!(text(&response, "amount"), shown, "{sent}");
            let rate: Rate = text(&response, "exchange_rate").parse().unwrap();
            let bought = Sats::bought_rounded_up(shown.parse::<FiatAmount>().unwrap(), rate).unwrap();
            assert_eq!(text(&response, "bitcoin_amount"), bought.to_string(), "{sent}");
            let stored = platform.fetch(&format!("/api/v1/orders/{}", text(&response, "id"))).await;
            assert_eq!(stored.json(200), response);
        }
    }
}

async fn largest_amount_is_accepted_within_the_limit(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "20000").start().await;
    let largest = order("EUR", "999999999.9999");
    let shown = platform.place(largest.as_str()).await.json(201);
    assert_eq!(text(&shown, "amount"), "999999999.9999");
    assert_eq!(text(&shown, "bitcoin_amount"), "11904.74489799");
    let refused = platform.place(largest).await.problem(409, "limit_exceeded");
    assert_eq!(refused["remaining_bitcoin"], "8095.25510201");
}

async fn json_content_types_are_accepted(stack: Stack) {
    let platform = Platform::start(stack).await;
    for content_type in
        ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/vnd.api+json"]
    {
        for path in ["/api/v1/orders", "/place_order"] {
            let request = platform.client.request("POST", platform.create_order.url(path));
            let response = send(request.header("content-type", content_type).body(order("EUR", "1"))).await;
            response.json(201);
        }
    }
}

async fn currencies_setting_decides_accepted_currencies(stack: Stack) {
    let platform = Platform::builder(stack).set("CURRENCIES", "jpy, EUR").without_prices().start().await;
    platform.put_prices(&[("JPY", "12345678.9"), ("EUR", "1000")], Validity::default()).await;
    assert_eq!(text(&platform.place(order("JPY", "12345678.9")).await.json(201), "bitcoin_amount"), "1.00000000");
    platform.place(order("EUR", "1")).await.json(201);
    platform.place(order("USD", "1")).await.invalid_fields(&["currency"]);
}

async fn orders_without_idempotency_key_are_separate(stack: Stack) {
    let platform = Platform::start(stack).await;
    let (first, second) = (platform.place(order("EUR", "1")).await, platform.place(order("EUR", "1")).await);
    assert_ne!(first.json(201)["id"], second.json(201)["id"]);
    assert_ne!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!(second.header("idempotency-replayed"), Some("false"));
    assert_eq!(platform.summary().await["count"], 2);
}

async fn prolonged_price_is_shown_in_order_quote_and_export(stack: Stack) {
    let platform = Platform::builder(stack).without_prices().start().await;
    let price = |price: &str| Price::new(price.parse().unwrap(), vec!["alpha".to_owned()]);
    let prices = [("EUR".parse().unwrap(), price("84000.12"))].into();
    let record = NewPriceRecord { state: PriceState::Prolonged, as_of: Timestamp::now(), simulated: false, prices };
    platform.try_put_record(&record, TTL).await.unwrap();
    let first = platform.place_with_key("a-key", order("EUR", "69")).await.json(201);
    let quote = platform.quote(order("EUR", "1")).await.json(201);
    // The quote keeps the state of its price, although a fresh price is published before an order takes the quote.
    platform.put_default_prices().await;
    wait_until("the fresh price is used", RESPONSE_TIMEOUT, async || {
        let fresh = platform.place(order("EUR", "2")).await.json(201);
        fresh.get("price_state").is_none().then_some(())
    })
    .await;
    let taken = platform.place(format!(r#"{{"quote":"{}"}}"#, text(&quote, "id"))).await.json(201);
    for shown in [&first, &quote, &taken] {
        assert_eq!(text(shown, "price_state"), "prolonged");
    }
    assert_eq!(platform.place_with_key("a-key", order("EUR", "69")).await.json(201), first);
    let id = text(&first, "id");
    assert_eq!(platform.fetch(&format!("/api/v1/orders/{id}")).await.json(200), first);
    let all = platform.all_pages("/api/v1/orders").await;
    assert_eq!((&all[0], all.last().unwrap()), (&taken, &first));
    let csv = platform.fetch("/api/v1/orders/export?format=csv").await.text();
    let column = csv.lines().next().unwrap().split(',').position(|name| name == "price_state").unwrap();
    let states: Vec<_> = csv.lines().skip(1).map(|line| line.split(',').nth(column).unwrap()).collect();
    let expected = |order: &Value| if order.get("price_state").is_some() { "prolonged" } else { "fresh" };
    assert_eq!(states, all.iter().map(expected).collect::<Vec<_>>());
    let jsonl = platform.fetch("/api/v1/orders/export?format=jsonl").await.text();
    assert_eq!(jsonl.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>(), all);
}
