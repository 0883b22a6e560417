//! Invalid orders: each is refused with a 4xx, and no order is placed. The response names each invalid field.

use tests::{Platform, Stack, client::send, on_both_stacks, platform::order, raw_http::send_raw};

on_both_stacks!(
    invalid_field_is_named,
    malformed_json_is_a_bad_request,
    invalid_query_parameter_is_named,
    body_together_with_query_is_refused,
    repeated_or_unknown_query_parameter_is_refused,
    body_over_size_limit_is_refused,
    unsupported_content_type_is_refused,
    invalid_idempotency_key_is_named,
);

const PATHS: [&str; 2] = ["/api/v1/orders", "/place_order"];

async fn assert_no_orders(platform: &Platform) {
    assert_eq!(platform.summary().await["count"], 0);
}

async fn invalid_field_is_named(stack: Stack) {
    let platform = Platform::start(stack).await;
    let mut cases: Vec<(String, &[&str])> = Vec::new();
    for amount in [
        "0",
        "0.0",
        "-0",
        "\"-0.0\"",
        "-1",
        "\"-1\"",
        "1.00001",
        "0.00001",
        "\"0.00001\"",
        "1e-5",
        "1000000000",
        "1e9",
        "\"1000000000\"",
        "999999999.99999",
        "1e400",
        "1e-400",
        "1e99999999999",
        "123456789012345678901234567890",
        "\"NaN\"",
        "\"Infinity\"",
        "\"\"",
        "\" \"",
        "\" 1\"",
        "\"1 \"",
        "\"+1\"",
        "\"1,5\"",
        "\"1_000\"",
        "\"0x10\"",
        "\".5\"",
        "\"5.\"",
        "\"１\"",
        "\"1e\"",
        "\"1e3\"",
        "\"1E-2\"",
        "\"1e400\"",
        "\"\\u0000\"",
        "true",
        "false",
        "null",
        "[]",
        "[1]",
        "{}",
        "{\"a\":1}",
    ] {
        cases.push((format!(r#"{{"currency":"EUR","amount":{amount}}}"#), &["amount"]));
    }
    cases.push((format!(r#"{{"currency":"EUR","amount":{}}}"#, "9".repeat(5000)), &["amount"]));
    cases.push((format!(r#"{{"currency":"EUR","amount":"{}"}}"#, "9".repeat(5000)), &["amount"]));
    for currency in [
        "\"JPY\"",
        "\"EURO\"",
        "\"EU\"",
        "\"\"",
        "\" EUR\"",
        "\"€\"",
        "\"EU1\"",
        "\"E\\u0000R\"",
        "\"\\ud800\"",
        "7",
        "null",
        "true",
        "[\"EUR\"]",
    ] {
        cases.push((format!(r#"{{"currency":{currency},"amount":1}}"#), &["currency"]));
    }
    cases.push((r#"{"amount":1}"#.to_owned(), &["currency"]));
    cases.push((r#"{"currency":"EUR"}"#.to_owned(), &["amount"]));
    cases.push(("{}".to_owned(), &["currency", "amount"]));
    cases.push((r#"{"currency":"JPY","amount":"NaN"}"#.to_owned(), &["currency", "amount"]));
    cases.push((r#"{"currency":"EUR","amount":1,"extra":1}"#.to_owned(), &["extra"]));
    cases.push((r#"{"curency":"EUR","amount":1}"#.to_owned(), &["curency"]));
    cases.push((r#"{"currency":"EUR","amount":1,"Amount":2}"#.to_owned(), &["Amount"]));
    // One response names all invalid fields.
    cases.push((r#"{"curency":"EUR","amount":"abc"}"#.to_owned(), &["curency", "amount"]));
    cases.push((r#"{"currency":"JPY","amount":true,"extra":1}"#.to_owned(), &["currency", "amount", "extra"]));
    cases.push((r#"{"currency":7,"amount":"1.00001"}"#.to_owned(), &["currency", "amount"]));
    cases.push((r#"{"currency":"EUR","amount":1,"amount":2}"#.to_owned(), &["amount"]));
    cases.push((r#"{"currency":"EUR","currency":"USD","amount":2}"#.to_owned(), &["currency"]));
    for body in ["[]", "\"EUR\"", "1", "null", "true", r#"[{"currency":"EUR","amount":1}]"#] {
        cases.push((body.to_owned(), &["body"]));
    }
    for (body, fields) in &cases {
        for path in PATHS {
            let response = platform.client.post(platform.create_order.url(path), body.as_str()).await;
            response.invalid_fields(fields);
            assert_no_library_text(&response.text());
        }
    }
    assert_no_orders(&platform).await;
}

/// Asserts that the text contains no message of serde, because such messages name Rust types.
#[track_caller]
fn assert_no_library_text(text: &str) {
    for library_text in ["invalid type:", "invalid value:", ", expected", "struct ", "missing field", "u64"] {
        assert!(!text.contains(library_text), "{library_text}: {text}");
    }
}

async fn malformed_json_is_a_bad_request(stack: Stack) {
    let platform = Platform::start(stack).await;
    let deep = "[".repeat(200_000);
    for body in [
        "{",
        "}",
        "nonsense",
        "{\"amount\":NaN}",
        "{\"amount\":Infinity}",
        "{\"amount\":01}",
        "{\"amount\":.5}",
        "{\"amount\":+1}",
        r#"{"currency":"EUR","amount":1}x"#,
        r#"{"currency":"EUR","amount":1}{}"#,
        "{'currency':'EUR','amount':1}",
        r#"{"currency":"EUR","amount":1,}"#,
        r#"{"currency":"EUR" "amount":1}"#,
        "currency=EUR&amount=1",
        "\u{feff}{\"currency\":\"EUR\",\"amount\":1}",
        deep.as_str(),
    ] {
        for path in PATHS {
            let response = platform.client.post(platform.create_order.url(path), body).await;
            assert!(
                response.status == 400 || response.status == 422,
                "{body:.100}: {} {}",
                response.status,
                response.text()
            );
            if body != deep {
                let problem = response.problem(400, "bad_request");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.starts_with("The body is not JSON: "), "{detail}");
                assert_no_library_text(detail);
            }
        }
    }
    for bytes in [&b"\xff\xfe{\0}\0"[..], b"{\"currency\":\"\xff\",\"amount\":1}", b"\0", &[0x80; 100]] {
        for path in PATHS {
            let request = platform.client.request("POST", platform.create_order.url(path));
            let response = send(request.header("content-type", "application/json").body(bytes.to_vec())).await;
            response.problem(400, "bad_request");
        }
    }
    platform.place("").await.problem(400, "bad_request");
    assert_no_orders(&platform).await;
}

async fn invalid_query_parameter_is_named(stack: Stack) {
    let platform = Platform::start(stack).await;
    for (query, fields) in [
        ("", &["currency", "amount"][..]),
        ("?currency=eur", &["amount"]),
        ("?amount=69", &["currency"]),
        ("?currency=&amount=", &["currency", "amount"]),
        ("?currency=jpy&amount=69", &["currency"]),
        ("?currency=eur&amount=NaN", &["amount"]),
        ("?currency=eur&amount=+69", &["amount"]),
        ("?currency=eur&amount=%2B69", &["amount"]),
        ("?currency=eur&amount=69.00001", &["amount"]),
        ("?currency=eur&amount=0", &["amount"]),
        ("?currency=eur&amount=1000000000", &["amount"]),
        ("?currency=eur&amount=%ff", &["amount"]),
        ("?currency=%00&amount=1", &["currency"]),
        ("?Currency=eur&amount=69", &["Currency"]),
        ("?curency=eur&amount=NaN&extra=x", &["curency", "amount", "extra"]),
        ("?currency=jpy&currency=usd&amount=0", &["currency", "amount"]),
    ] {
        for path in ["/place_order", "/place_order/"] {
            let url = platform.create_order.url(&format!("{path}{query}"));
            let response = send(platform.client.request("POST", url)).await;
            response.invalid_fields(fields);
        }
    }
    // The versioned endpoint accepts no order in the query.
    let url = platform.create_order.url("/api/v1/orders?currency=eur&amount=69");
    let response = send(platform.client.request("POST", url)).await;
    assert!((400..500).contains(&response.status), "{}", response.text());
    assert_no_orders(&platform).await;
}

async fn body_together_with_query_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    let url = platform.create_order.url("/place_order?currency=eur&amount=69");
    platform.client.post(url, order("EUR", "69")).await.invalid_fields(&["body"]);
    let url = platform.create_order.url("/place_order?amount=69");
    platform.client.post(url, r#"{"currency":"EUR"}"#).await.invalid_fields(&["body"]);
    assert_no_orders(&platform).await;
}

async fn repeated_or_unknown_query_parameter_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    for (query, field) in [
        ("currency=eur&amount=1&currency=usd", "currency"),
        ("currency=eur&amount=1&amount=1", "amount"),
        ("currency=eur&amount=1&curency=usd", "curency"),
        ("quote=abc", "quote"),
    ] {
        let url = platform.create_order.url(&format!("/place_order/?{query}"));
        send(platform.client.request("POST", url)).await.invalid_fields(&[field]);
    }
    assert_no_orders(&platform).await;
}

async fn body_over_size_limit_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    let padded = |size: usize| format!("{}{}", order("EUR", "1"), " ".repeat(size));
    for path in PATHS {
        let url = platform.create_order.url(path);
        // The service possibly closes the connection before it has received the whole body. An HTTP client can miss the
        // response to an incomplete request, so the test sends raw bytes.
        let head = |length: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n{length}\r\n\r\n"
            )
        };
        let (announced, body) = (head("content-length: 10000000"), padded(10_000_000));
        let (unannounced, chunk) = (head("transfer-encoding: chunked"), format!("2710\r\n{}\r\n", " ".repeat(10_000)));
        let mut pieces = vec![unannounced.as_bytes()];
        pieces.extend(std::iter::repeat_n(chunk.as_bytes(), 1000));
        pieces.push(b"0\r\n\r\n");
        for pieces in [&[announced.as_bytes(), &body.as_bytes()[..10_000_000]][..], &pieces] {
            let response = send_raw(&platform.create_order.address(), pieces).await;
            let is_problem = response.contains("payload_too_large") && response.contains("application/problem+json");
            assert!(response.starts_with("HTTP/1.1 413 ") && is_problem, "{response}");
        }
        // A body just below the limit.
        platform.client.post(&url, padded(1024 * 1024 - 100)).await.json(201);
    }
}

/// Asserts that the problem names the accepted content types. Only `/place_order` accepts a form.
fn assert_accepted_types_are_named(path: &str, problem: &serde_json::Value) {
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("application/json"), "{detail}");
    assert_eq!(detail.contains("application/x-www-form-urlencoded"), path.starts_with("/place_order"), "{detail}");
}

async fn unsupported_content_type_is_refused(stack: Stack) {
    let platform = Platform::start(stack).await;
    for path in PATHS {
        for content_type in [
            "text/plain",
            "text/json",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "json",
            "",
        ] {
            let request = platform.client.request("POST", platform.create_order.url(path));
            let response = send(request.header("content-type", content_type).body(order("EUR", "1"))).await;
            assert_accepted_types_are_named(path, &response.problem(415, "unsupported_media_type"));
        }
        let request = platform.client.request("POST", platform.create_order.url(path)).body(order("EUR", "1"));
        assert_accepted_types_are_named(path, &send(request).await.problem(415, "unsupported_media_type"));
    }
    assert_no_orders(&platform).await;
}

async fn invalid_idempotency_key_is_named(stack: Stack) {
    let platform = Platform::start(stack).await;
    let long = "k".repeat(129);
    for key in ["a b", "ключ", "a\tb", long.as_str(), ""] {
        for path in PATHS {
            let request = platform.client.json(platform.create_order.url(path), order("EUR", "1"));
            let response = send(request.header("idempotency-key", key.as_bytes())).await;
            response.invalid_fields(&["Idempotency-Key"]);
        }
    }
    assert_no_orders(&platform).await;
    platform.place_with_key(&"k".repeat(128), order("EUR", "1")).await.json(201);
}
