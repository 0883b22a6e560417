//! create-order forwards read requests to fetch-orders and `rates`, so that customers need only one URL for
//! orders and prices.

use std::time::Duration;

use common::service::Service;
use serde_json::Value;
use tests::{
    Client, Platform, Stack,
    buydesk_up::BuydeskUp,
    client::send,
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, order},
    wait_until,
};
use url::Url;

/// Maximum time until the service `rates` has received the first price.
const LIMIT: Duration = Duration::from_secs(20);

on_both_stacks!(
    new_order_is_read_at_the_url_of_its_location_header,
    only_forwarded_reads_fail_while_their_service_is_stopped,
);

async fn new_order_is_read_at_the_url_of_its_location_header(stack: Stack) {
    let platform = Platform::builder(stack).set("ORDERS_URL", "").start().await;
    for path in [ORDERS_PATH, "/place_order"] {
        let url = platform.create_order.url(path);
        let placed = platform.client.post(&url, order("EUR", "69")).await;
        let body = placed.json(201);
        let placed_order = body.get("order").unwrap_or(&body);
        let location = Url::parse(&url).unwrap().join(placed.header("location").unwrap()).unwrap();
        assert_eq!(location.path(), format!("{ORDERS_PATH}/{}", placed_order["id"].as_str().unwrap()));
        assert_eq!(platform.client.get(location).await.json(200), *placed_order);
    }
}

async fn only_forwarded_reads_fail_while_their_service_is_stopped(stack: Stack) {
    let platform = Platform::start(stack).await;
    let list = platform.create_order.url(ORDERS_PATH);
    assert_eq!(platform.client.get(&list).await.json(200)["data"], serde_json::json!([]));
    platform.fetch_orders.stop().await;
    let unavailable = platform.client.get(&list).await;
    let detail = unavailable.problem(503, "upstream_unavailable")["detail"].to_string();
    assert!(detail.contains("fetch-orders"), "{detail}");
    // `rates` was not started.
    platform
        .client
        .get(platform.create_order.url("/api/v1/price?direction=BTC-EUR"))
        .await
        .problem(503, "upstream_unavailable");
    platform.place(order("EUR", "1")).await.json(201);
    platform.fetch_orders.start().await;
    platform.fetch_orders.wait_until_ready().await;
    assert_eq!(platform.client.get(&list).await.json(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn response_to_a_forwarded_read_equals_the_response_of_its_service() {
    let platform = Platform::start(Stack::Embedded).await;
    platform.start_other_services().await;
    for currency in ["EUR", "USD", "EUR"] {
        platform.place(order(currency, "1")).await.json(201);
    }
    let expect_same = async |service: &Instance, path: &str, names: &[&str]| {
        let request = |service: &Instance| platform.client.request("GET", service.url(path));
        let with_id = |service: &Instance| request(service).header("x-request-id", "compared");
        let (direct, forwarded) = (send(with_id(service)).await, send(with_id(&platform.create_order)).await);
        assert_eq!((forwarded.status, &forwarded.body), (direct.status, &direct.body), "{path}");
        for name in names {
            assert!(direct.header(name).is_some(), "{path} {name}");
            assert_eq!(forwarded.header(name), direct.header(name), "{path} {name}");
        }
    };
    let json = ["content-type", "content-length"];
    let fetch_orders = &platform.fetch_orders;
    expect_same(fetch_orders, "/get_orders/?start=1&page_size=1", &json).await;
    expect_same(fetch_orders, "/api/v1/orders?currency=EUR&limit=1", &json).await;
    expect_same(fetch_orders, "/api/v1/orders?limit=0", &json).await;
    expect_same(fetch_orders, "/api/v1/orders?currency=nothing", &json).await;
    // Unknown, repeated, missing and invalid parameters are named together.
    expect_same(fetch_orders, "/api/v1/orders?curency=GBP&limit=0&from=now&to=now&to=now", &json).await;
    expect_same(fetch_orders, "/get_orders?startt=1&page_size=0", &json).await;
    expect_same(fetch_orders, "/api/v1/orders/export?fromat=csv&currency=nothing", &json).await;
    expect_same(&platform.rates, "/api/v1/price/chart.svg?direcion=BTC-EUR&hours=0", &json).await;
    expect_same(&platform.rates, "/api/v1/convert?fro=EUR&to=nothing!", &json).await;
    expect_same(fetch_orders, "/api/v1/orders/summary", &json).await;
    expect_same(fetch_orders, "/api/v1/orders/019b7d5a-1f00-7000-8000-000000000001", &json).await;
    expect_same(fetch_orders, "/api/v1/orders/export?format=csv", &["content-type", "content-disposition"]).await;
    expect_same(&platform.rates, "/api/v1/convert?from=EUR&to=EUR&amount=1", &["content-type"]).await;
    expect_same(&platform.rates, "/api/v1/price?direction=BTC-XYZ", &json).await;

    // Prices change during the test, so these responses are not compared.
    let price = platform.client.get(platform.create_order.url("/api/v1/price?direction=BTC-EUR")).await;
    assert_eq!(price.json(200)["direction"], "BTC-EUR");
    let cached =
        platform.client.request("GET", platform.create_order.url("/api/v1/courses")).header("if-none-match", "*");
    assert_eq!(send(cached).await.status, 304);
    let chart = platform.client.get(platform.create_order.url("/api/v1/price/chart.svg?direction=BTC-EUR")).await;
    assert_eq!((chart.status, chart.header("content-type")), (200, Some("image/svg+xml")));
    let stream = platform.client.request("GET", platform.create_order.url("/api/v1/courses/stream"));
    let mut stream = stream.send().await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "retry: 2000\n\n");
}

#[tokio::test]
async fn forwarded_read_counts_against_the_rate_limit_of_its_client() {
    let platform = Platform::builder(Stack::Embedded).start().await;
    let fetch_orders =
        platform.fetch_orders.another(&[("FETCH_RATE_LIMIT_PER_MINUTE", "1"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    fetch_orders.start().await;
    let create_order = platform.create_order.another(&[("FETCH_ORDERS_URL", &fetch_orders.url(""))]);
    create_order.start().await;
    let statuses = async |client: &str| {
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let request = platform.client.request("GET", create_order.url(ORDERS_PATH));
            statuses.push(send(request.header("x-forwarded-for", client)).await.status);
        }
        statuses
    };
    assert_eq!(statuses("192.0.2.1").await, [200, 429]);
    assert_eq!(statuses("192.0.2.2").await, [200, 429]);
}

#[tokio::test]
async fn buydesk_up_serves_customers_at_one_url_and_stops_although_a_stream_is_open() {
    let platform = BuydeskUp::start(&[]).await;
    let base = format!("http://{}", platform.address(create_order::App::NAME));
    let client = Client::new("");
    let placed = client.post(format!("{base}{ORDERS_PATH}"), order("EUR", "69")).await;
    let body = placed.json(201);
    let location = Url::parse(&base).unwrap().join(placed.header("location").unwrap()).unwrap();
    let read: Value = client.get(location).await.json(200);
    assert_eq!(read, body);
    let price = wait_until("rates has received a price", LIMIT, async || {
        let response = client.get(format!("{base}/api/v1/price?direction=BTC-EUR")).await;
        (response.status == 200).then(|| response.json(200))
    });
    assert_eq!(price.await["simulated"], true);
    let mut stream = client.request("GET", format!("{base}/api/v1/courses/stream")).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    assert!(platform.stop().await.success());
}
