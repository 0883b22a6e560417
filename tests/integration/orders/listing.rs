//! Orders in fetch-orders: pages, links, filters, single orders and the summary.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::{
    Platform, Stack, on_both_stacks,
    platform::order,
    reconciliation::{sats, total_sats},
};

on_both_stacks!(
    next_links_lead_to_last_page,
    list_paths_with_and_without_slash_have_the_same_default_page_size,
    cursor_pages_return_each_earlier_order_once_while_orders_arrive,
    filters_apply_to_every_page,
    invalid_parameter_is_named,
    order_is_returned_by_id,
    summary_equals_sum_of_orders,
    second_instance_returns_same_orders,
);

/// Places orders and returns them as a list shows them, newest first.
async fn place_many(platform: &Platform, count: usize) -> Vec<Value> {
    let mut orders = Vec::new();
    for n in 0..count {
        let body = order(["EUR", "GBP", "USD"][n % 3], &format!("{}.5", n + 1));
        orders.push(platform.place(body).await.json(201));
    }
    orders.reverse();
    orders
}

async fn page(platform: &Platform, path: &str) -> Value {
    platform.fetch(path).await.json(200)
}

async fn next_links_lead_to_last_page(stack: Stack) {
    let platform = Platform::start(stack).await;
    let empty = page(&platform, "/get_orders/?start=0&page_size=3").await;
    assert_eq!(empty, serde_json::json!({ "data": [], "_links": {} }));
    let orders = place_many(&platform, 8).await;
    let mut path = "/get_orders/?start=0&page_size=3".to_owned();
    for (expected, has_next) in [(&orders[0..3], true), (&orders[3..6], true), (&orders[6..8], false)] {
        let shown = page(&platform, &path).await;
        assert_eq!(shown["data"].as_array().unwrap(), expected);
        assert_eq!(shown["_links"].get("next").is_some(), has_next, "{shown}");
        path = shown["_links"]["next"].as_str().map(str::to_owned).unwrap_or_default();
    }
    // A page that ends with the last order has no next link.
    let all = page(&platform, "/get_orders?page_size=8").await;
    assert_eq!((all["data"].as_array().unwrap(), &all["_links"]), (&orders, &serde_json::json!({})));
    for path in ["/get_orders?start=8", "/get_orders?start=9", "/get_orders?start=18446744073709551615"] {
        assert_eq!(page(&platform, path).await, serde_json::json!({ "data": [], "_links": {} }));
    }
    for size in [1, 2, 7, 8, 1000] {
        assert_eq!(platform.all_pages(&format!("/get_orders/?page_size={size}")).await, orders, "{size}");
        assert_eq!(platform.all_pages(&format!("/api/v1/orders?limit={size}")).await, orders, "{size}");
    }
}

async fn list_paths_with_and_without_slash_have_the_same_default_page_size(stack: Stack) {
    let platform = Platform::start(stack).await;
    let orders = place_many(&platform, 51).await;
    for path in [
        "/get_orders",
        "/get_orders/",
        "/get_orders?start=0",
        "/get_orders/?start=0&page_size=10",
        "/get_orders/?page_size=10",
    ] {
        let shown = page(&platform, path).await;
        assert_eq!(shown["data"].as_array().unwrap(), &orders[..10], "{path}");
    }
    for path in ["/api/v1/orders", "/api/v1/orders/", "/api/v1/orders?limit=50"] {
        assert_eq!(page(&platform, path).await["data"].as_array().unwrap(), &orders[..50], "{path}");
    }
}

async fn cursor_pages_return_each_earlier_order_once_while_orders_arrive(stack: Stack) {
    let platform = Platform::start(stack).await;
    let orders = place_many(&platform, 10).await;
    let (mut seen, mut next) = (Vec::new(), Some("/api/v1/orders?limit=3".to_owned()));
    while let Some(path) = next {
        let shown = page(&platform, &path).await;
        seen.extend(shown["data"].as_array().unwrap().iter().cloned());
        // The field `next_cursor` contains the cursor of the link.
        let link = shown["_links"]["next"].as_str();
        assert_eq!(link.is_some(), shown.get("next_cursor").is_some());
        assert!(link.is_none_or(|link| link.contains(shown["next_cursor"].as_str().unwrap())));
        next = link.map(str::to_owned);
        place_many(&platform, 2).await;
    }
    assert_eq!(seen, orders);
}

type Filter<'a> = &'a dyn Fn(&Value) -> bool;

async fn filters_apply_to_every_page(stack: Stack) {
    let platform = Platform::start(stack).await;
    let orders = place_many(&platform, 15).await;
    let time = |n: usize| orders[n]["created_at"].as_str().unwrap();
    let amount = |order: &Value| order["amount"].as_str().unwrap().parse::<common::money::FiatAmount>().unwrap();
    let bound = |text: &str| text.parse::<common::money::FiatAmount>().unwrap();
    let (from, to) = (format!("from={}", time(11)), format!("to={}", time(3)));
    let cases: [(String, Filter); 10] = [
        ("currency=EUR".to_owned(), &|o| o["currency"] == "EUR"),
        ("currency=gbp".to_owned(), &|o| o["currency"] == "GBP"),
        ("min_amount=7.5".to_owned(), &|o| amount(o) >= bound("7.5")),
        ("max_amount=7.49".to_owned(), &|o| amount(o) <= bound("7.49")),
        (from.clone(), &|o| o["created_at"].as_str().unwrap() >= time(11)),
        (to.clone(), &|o| o["created_at"].as_str().unwrap() < time(3)),
        (format!("{from}&{to}"), &|o| (time(11)..time(3)).contains(&o["created_at"].as_str().unwrap())),
        (format!("currency=USD&{from}&{to}&min_amount=4&max_amount=10"), &|o| {
            o["currency"] == "USD"
                && (time(11)..time(3)).contains(&o["created_at"].as_str().unwrap())
                && (bound("4")..=bound("10")).contains(&amount(o))
        }),
        ("min_amount=999999999".to_owned(), &|_| false),
        (format!("from={0}&to={0}", time(5)), &|_| false),
    ];
    for (query, matches) in cases {
        let expected: Vec<_> = orders.iter().filter(|order| matches(order)).cloned().collect();
        for size in [1, 4, 1000] {
            assert_eq!(
                platform.all_pages(&format!("/api/v1/orders?limit={size}&{query}")).await,
                expected,
                "{query}, page size {size}"
            );
        }
    }
    // The plus sign of the offset is percent-encoded.
    let with_offset = time(3).replace('Z', "%2B00:00");
    assert_eq!(platform.all_pages(&format!("/api/v1/orders?to={with_offset}")).await, orders[4..]);
}

async fn invalid_parameter_is_named(stack: Stack) {
    let platform = Platform::start(stack).await;
    place_many(&platform, 2).await;
    for invalid in ["0", "1001", "-1", "abc", "1.5", "", "99999999999", "1e3", "%00"] {
        for path in ["/get_orders?page_size=", "/get_orders/?start=0&page_size="] {
            platform.fetch(&format!("{path}{invalid}")).await.invalid_fields(&["page_size"]);
        }
        platform.fetch(&format!("/api/v1/orders?limit={invalid}")).await.invalid_fields(&["limit"]);
    }
    for invalid in ["-1", "abc", "1.5", "18446744073709551616"] {
        platform.fetch(&format!("/get_orders?start={invalid}")).await.invalid_fields(&["start"]);
    }
    for (field, values) in [
        (
            "cursor",
            &["abc", "o", "o0", "o01", "o-1", "1", "offffffffffffffffff", "o1%00", "O1", "%ff", "' or 1=1 --"][..],
        ),
        ("currency", &["EURO", "E", "1", "%E2%82%AC"]),
        ("from", &["yesterday", "2026-01-02", "2026-13-01T00:00:00Z", "1767323045", "2026-01-02T03:04:05"]),
        ("to", &["tomorrow", "10000-01-01T00:00:00Z"]),
        ("min_amount", &["0", "-1", "NaN", "1e9", "0.00001"]),
        ("max_amount", &["0", "abc", "1000000000"]),
    ] {
        for value in values {
            platform.fetch(&format!("/api/v1/orders?{field}={value}")).await.invalid_fields(&[field]);
        }
    }
    let misspelt = platform.fetch("/api/v1/orders?currency=EURO").await;
    let expected = "must be one of EUR, GBP, USD, but is \\\"EURO\\\" (did you mean EUR?)";
    assert!(misspelt.text().contains(expected), "{}", misspelt.text());
    let wrong = "currency=JPY&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z&min_amount=2&max_amount=1";
    for path in ["/api/v1/orders?", "/api/v1/orders/export?format=csv&"] {
        let response = platform.fetch(&format!("{path}{wrong}")).await;
        response.invalid_fields(&["currency", "from", "min_amount"]);
        assert!(response.text().contains("must be one of EUR, GBP, USD"), "{}", response.text());
    }
}

async fn order_is_returned_by_id(stack: Stack) {
    let platform = Platform::start(stack).await;
    for order in place_many(&platform, 3).await {
        let id = order["id"].as_str().unwrap();
        for spelling in [id.to_owned(), id.to_uppercase(), format!("{id}/")] {
            assert_eq!(page(&platform, &format!("/api/v1/orders/{spelling}")).await, order);
        }
    }
    let get = async |id: &str| platform.fetch(&format!("/api/v1/orders/{id}")).await;
    for unknown in ["0190a6e2-7c1b-7c3a-9d5e-0123456789ab", "00000000-0000-0000-0000-000000000000"] {
        let problem = get(unknown).await.problem(404, "not_found");
        assert!(problem["detail"].as_str().unwrap().contains(unknown), "{problem}");
    }
    for invalid in
        ["1", "abc", "0190a6e2-7c1b-7c3a-9d5e-0123456789a", "%00", "0190a6e2-7c1b-7c3a-9d5e-0123456789abc", "%E2%82%AC"]
    {
        get(invalid).await.invalid_fields(&["id"]);
    }
}

async fn summary_equals_sum_of_orders(stack: Stack) {
    let platform = Platform::start(stack).await;
    let empty = platform.summary().await;
    assert_eq!((&empty["count"], &empty["bitcoin_amount"]), (&0.into(), &"0.00000000".into()));
    assert_eq!((&empty["limit"], &empty["remaining"]), (&"100.00000000".into(), &"100.00000000".into()));
    let orders = place_many(&platform, 5).await;
    let summary = platform.summary().await;
    assert_eq!(summary["count"], 5);
    let sum = total_sats(&orders);
    assert_eq!(sats(&summary["bitcoin_amount"]), sum);
    assert_eq!(sats(&summary["remaining"]), 100 * 100_000_000 - sum);
}

async fn second_instance_returns_same_orders(stack: Stack) {
    let platform = Platform::start(stack).await;
    let db_proxy = platform.start_second_db_proxy_if_supported(stack).await;
    let db_proxy = db_proxy.as_ref().unwrap_or(&platform.db_proxy);
    let second = platform.fetch_orders.another(&[("DB_PROXY_URL", &db_proxy.url(""))]);
    second.start().await;
    let mut ids = BTreeSet::new();
    for n in 1..=10 {
        let placed = platform.place(order("EUR", &n.to_string())).await.json(201);
        // An acknowledged order is immediately visible in the other instance.
        let shown = platform.client.get(second.url("/get_orders?page_size=1")).await.json(200);
        assert_eq!(shown["data"][0], placed);
        assert!(ids.insert(placed["id"].to_string()));
    }
}
