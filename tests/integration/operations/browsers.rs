//! Requests that a browser sends for web pages.

use tests::{
    Platform, Stack,
    client::send,
    platform::{ORDERS_PATH, order},
};

/// The headers that a browser adds to requests from pages of other origins.
const HEADERS_FROM_OTHER_ORIGINS: [&[(&str, &str)]; 4] = [
    &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
    &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:3000")],
    &[("origin", "https://evil.example")],
    &[("origin", "null")],
];

#[tokio::test]
async fn page_of_another_origin_cannot_place_an_order() {
    let platform = Platform::start(Stack::Embedded).await;
    for headers in HEADERS_FROM_OTHER_ORIGINS {
        let form = platform.create_order.url("/place_order?currency=EUR&amount=69");
        let requests = [
            platform.client.request("POST", form).header("content-type", "text/plain"),
            platform.order_request(order("EUR", "69")),
        ];
        for mut request in requests {
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            send(request).await.problem(403, "cross_site_request");
        }
    }
    let summary = platform.client.get(platform.fetch_orders.url("/api/v1/orders/summary")).await;
    assert_eq!(summary.json(200)["count"], 0);
}

#[tokio::test]
async fn host_name_of_another_site_is_refused_by_every_service_on_loopback() {
    let platform = Platform::start(Stack::Embedded).await;
    platform.start_other_services().await;
    for service in platform.all_services() {
        for (host, status) in [("evil.example", 421), ("evil.example:8001", 421), ("localhost:1234", 200)] {
            let response = send(platform.client.request("GET", service.url("/livez")).header("host", host)).await;
            assert_eq!(response.status, status, "{} {host}", service.name);
        }
    }
}

#[tokio::test]
async fn cors_permits_only_pages_of_configured_origins() {
    const SHOP: &str = "https://shop.example";
    let platform = Platform::builder(Stack::Embedded).set("CORS_ORIGINS", SHOP).start().await;
    let url = platform.create_order.url(ORDERS_PATH);
    let preflight = platform.client.request("OPTIONS", &url).header("origin", SHOP);
    let response = send(preflight.header("access-control-request-method", "POST")).await;
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), Some(SHOP));
    let request = platform.order_request(order("EUR", "69")).header("origin", SHOP);
    let response = send(request.header("sec-fetch-site", "cross-site")).await;
    assert_eq!(response.status, 201);
    assert_eq!(response.header("access-control-allow-origin"), Some(SHOP));
    let other =
        platform.client.request("GET", platform.fetch_orders.url(ORDERS_PATH)).header("origin", "https://x.example");
    assert_eq!(send(other).await.header("access-control-allow-origin"), None);
}
