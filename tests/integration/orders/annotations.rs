//! Annotations of orders, orders for an amount of bitcoin, and the bounds of amounts.

use serde_json::{Value, json};
use tests::{Platform, Stack, client::send, on_both_stacks, platform::Validity};

on_both_stacks!(
    annotations_are_shown_in_every_response_and_found_by_reference,
    idempotency_key_reused_with_other_annotations_is_refused,
    invalid_annotations_are_refused_with_their_fields,
    order_for_a_bitcoin_amount_buys_exactly_this_amount_and_rounds_the_cost_up,
    order_from_quote_for_a_bitcoin_amount_has_the_amounts_and_price_of_the_quote,
    amounts_outside_the_configured_bounds_are_refused,
);

const REFERENCE: &str = r#"Rechnung № 42, "Zoë""#;

fn annotated() -> Value {
    json!({ "currency": "EUR", "amount": "69", "client_reference": REFERENCE, "metadata": { "cart": "7", "a": "" } })
}

/// The path of orders with this reference.
fn by_reference(path: &str, reference: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(reference.as_bytes()).collect();
    format!("{path}client_reference={query}")
}

async fn annotations_are_shown_in_every_response_and_found_by_reference(stack: Stack) {
    let platform = Platform::start(stack).await;
    let placed = platform.place_with_key("a-key", annotated().to_string()).await;
    let order = placed.json(201);
    assert_eq!((&order["client_reference"], &order["metadata"]), (&REFERENCE.into(), &json!({ "a": "", "cart": "7" })));
    assert_eq!(platform.place_with_key("a-key", annotated().to_string()).await.body, placed.body);
    let id = order["id"].as_str().unwrap();
    assert_eq!(platform.fetch(&format!("/api/v1/orders/{id}")).await.json(200), order);

    // Several orders can have the same reference. An order from a quote can have a reference, too.
    let quote = platform.quote(json!({ "currency": "EUR", "amount": "5" }).to_string()).await.json(201);
    let from_quote = json!({ "quote": quote["id"], "client_reference": REFERENCE }).to_string();
    let second = platform.place(from_quote).await.json(201);
    assert_eq!(second["quote"], quote["id"]);
    let form = "currency=EUR&amount=1&client_reference=other";
    let request = platform.client.request("POST", platform.create_order.url("/place_order"));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let other = send(request).await.json(201)["order"].clone();
    assert_eq!(other["client_reference"], "other");
    platform.place(json!({ "currency": "EUR", "amount": "2" }).to_string()).await.json(201);

    for limit in [1, 50] {
        let path = by_reference(&format!("/api/v1/orders?limit={limit}&"), REFERENCE);
        assert_eq!(platform.all_pages(&path).await, [second.clone(), order.clone()], "{limit}");
    }
    let found = platform.all_pages(&by_reference("/api/v1/orders?min_amount=69&", REFERENCE)).await;
    assert_eq!(found, std::slice::from_ref(&order));
    assert_eq!(platform.all_pages(&by_reference("/api/v1/orders?", "unused")).await, [] as [Value; 0]);
    platform.fetch("/api/v1/orders?client_reference=a%00b").await.problem(422, "validation_failed");

    let export = by_reference("/api/v1/orders/export?format=jsonl&", REFERENCE);
    let lines = platform.fetch(&export).await.text();
    let exported: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported, [second, order]);
    let csv = platform.fetch(&by_reference("/api/v1/orders/export?format=csv&", REFERENCE)).await.text();
    // The last columns are the user and the wallets. They are empty for an anonymous order that no wallet pays.
    let last = r#","Rechnung № 42, ""Zoë""","{""a"":"""",""cart"":""7""}",,,"#;
    assert!(csv.lines().count() == 3 && csv.trim_end().ends_with(last), "{csv}");
}

async fn idempotency_key_reused_with_other_annotations_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.place_with_key("a-key", annotated().to_string()).await.json(201);
    let mut others = [annotated(), annotated(), annotated(), annotated()];
    others[0]["client_reference"] = "another".into();
    others[1]["metadata"] = json!({ "cart": "8", "a": "" });
    others[2].as_object_mut().unwrap().remove("client_reference");
    others[3]["metadata"] = Value::Null;
    for other in others {
        platform.place_with_key("a-key", other.to_string()).await.problem(422, "idempotency_key_reused");
    }
    // The sequence of the metadata fields does not matter.
    let same = annotated().to_string().replace(r#""a":"","cart":"7""#, r#""cart":"7","a":"""#);
    assert_ne!(same, annotated().to_string());
    let again = platform.place_with_key("a-key", same).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(platform.summary().await["count"], 1);
}

async fn invalid_annotations_are_refused_with_their_fields(stack: Stack) {
    let platform = Platform::start(stack).await;
    let place = async |fields: Value| {
        let mut body = json!({ "currency": "EUR", "amount": "69" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        platform.place(body.to_string()).await
    };
    let long = "x".repeat(201);
    place(json!({ "client_reference": "" })).await.invalid_fields(&["client_reference"]);
    place(json!({ "client_reference": long, "amount": "0" })).await.invalid_fields(&["amount", "client_reference"]);
    place(json!({ "client_reference": "a\u{0}", "metadata": { "k": "\n" } }))
        .await
        .invalid_fields(&["client_reference", "metadata.k"]);
    place(json!({ "metadata": { "k": 1 } })).await.invalid_fields(&["metadata.k"]);
    place(json!({ "metadata": "k" })).await.invalid_fields(&["metadata"]);
    let repeated = r#"{"currency":"EUR","amount":"69","metadata":{"k":"1","k":"2"}}"#;
    platform.place(repeated).await.invalid_fields(&["metadata.k"]);
    let note = "v".repeat(600);
    let metadata = json!({ "a": 1, "b": "", "c": [], "d": null, "n".repeat(50): "", "note": note });
    let name = format!("metadata.{}", "n".repeat(50));
    place(json!({ "metadata": metadata, "client_reference": 7 })).await.invalid_fields(&[
        "client_reference",
        "metadata.a",
        "metadata.c",
        "metadata.d",
        &name,
        "metadata.note",
    ]);
    place(json!({ "bitcoin_amount": "0.001" })).await.invalid_fields(&["bitcoin_amount"]);
    for invalid in ["0", "0.000000001", "-1"] {
        let body = json!({ "currency": "EUR", "bitcoin_amount": invalid });
        platform.place(body.to_string()).await.invalid_fields(&["bitcoin_amount"]);
        platform.quote(body.to_string()).await.invalid_fields(&["bitcoin_amount"]);
    }
    assert_eq!(platform.summary().await["count"], 0);
}

async fn order_for_a_bitcoin_amount_buys_exactly_this_amount_and_rounds_the_cost_up(stack: Stack) {
    let platform = Platform::start(stack).await;
    let body = r#"{"currency":"EUR","bitcoin_amount":0.001}"#;
    let order = platform.place_with_key("a-key", body).await.json(201);
    assert_eq!((&order["bitcoin_amount"], &order["amount"]), (&"0.00100000".into(), &"84.0002".into()));
    assert_eq!(order["ordered_by"], "bitcoin_amount");
    let id = order["id"].as_str().unwrap();
    assert_eq!(platform.fetch(&format!("/api/v1/orders/{id}")).await.json(200), order);

    let url = platform.create_order.url("/place_order?currency=usd&bitcoin_amount=0.00000007");
    let placed = send(platform.client.request("POST", &url)).await.json(201);
    assert_eq!(placed["message"], "Order was placed for USD:7.00");
    platform.place(r#"{"currency":"EUR","bitcoin_amount":"100"}"#).await.problem(409, "limit_exceeded");
    platform.place(r#"{"currency":"USD","bitcoin_amount":"21000000"}"#).await.invalid_fields(&["bitcoin_amount"]);

    // A repeated request for a bitcoin amount is a replay, even if the price has changed or is missing.
    for prices in [&[("EUR", "90000")][..], &[("USD", "5")]] {
        platform.put_prices(prices, Validity::default()).await;
        let again = platform.place_with_key("a-key", body).await;
        assert_eq!((again.json(201), again.header("idempotency-replayed")), (order.clone(), Some("true")));
    }
    for other in [r#"{"currency":"EUR","bitcoin_amount":0.0011}"#, r#"{"currency":"EUR","amount":"84.0002"}"#] {
        platform.place_with_key("a-key", other).await.problem(422, "idempotency_key_reused");
    }
    assert_eq!(platform.summary().await["bitcoin_amount"], "0.00100007");
}

async fn order_from_quote_for_a_bitcoin_amount_has_the_amounts_and_price_of_the_quote(stack: Stack) {
    let platform = Platform::start(stack).await;
    let quote = platform.quote(r#"{"currency":"EUR","bitcoin_amount":"0.001"}"#).await.json(201);
    assert_eq!((&quote["amount"], &quote["ordered_by"]), (&"84.0002".into(), &"bitcoin_amount".into()));
    let url = platform.create_order.url(&format!("/api/v1/quotes/{}", quote["id"].as_str().unwrap()));
    assert_eq!(platform.client.get(&url).await.json(200), quote);
    let order = platform.place(json!({ "quote": quote["id"] }).to_string()).await.json(201);
    for field in ["amount", "bitcoin_amount", "ordered_by", "exchange_rate"] {
        assert_eq!(order[field], quote[field], "{field}");
    }
}

async fn amounts_outside_the_configured_bounds_are_refused(stack: Stack) {
    let builder = Platform::builder(stack).set("ORDER_MIN_AMOUNT", "EUR:84.0002").set("ORDER_MAX_AMOUNT", "USD:9.5");
    let platform = builder.start().await;
    for (body, field) in [
        (r#"{"currency":"EUR","amount":"84.0001"}"#, "amount"),
        (r#"{"currency":"EUR","bitcoin_amount":"0.00099999"}"#, "bitcoin_amount"),
        (r#"{"currency":"USD","amount":"9.5001"}"#, "amount"),
        (r#"{"currency":"USD","bitcoin_amount":"0.00000010"}"#, "bitcoin_amount"),
    ] {
        platform.place(body).await.invalid_fields(&[field]);
        platform.quote(body).await.invalid_fields(&[field]);
    }
    platform.place(r#"{"currency":"EUR","bitcoin_amount":"0.001"}"#).await.json(201);
    platform.place(r#"{"currency":"USD","bitcoin_amount":"0.00000009"}"#).await.json(201);
}
