//! The form of responses: line breaks, compression, and the methods HEAD and OPTIONS.

use async_compression::tokio::bufread::GzipDecoder;
use bytes::Bytes;
use tests::{
    Platform, Response, Stack,
    client::send,
    platform::{Instance, ORDERS_PATH, order},
};
use tokio::io::{AsyncReadExt, BufReader};

/// A platform with all services, simulated exchanges and one order. Returns the path of the order at fetch-orders.
async fn start_with_order() -> (Platform, String) {
    let platform = Platform::start(Stack::Embedded).await;
    platform.start_other_services().await;
    let placed = platform.place(order("EUR", "1")).await.json(201);
    let path = format!("{ORDERS_PATH}/{}", placed["id"].as_str().unwrap());
    (platform, path)
}

/// Paths of JSON that a client reads without a token.
fn json_paths<'a>(platform: &'a Platform, order_path: &'a str) -> Vec<(&'a Instance, &'a str)> {
    let mut paths = vec![
        (&platform.fetch_orders, "/get_orders"),
        (&platform.fetch_orders, ORDERS_PATH),
        (&platform.fetch_orders, order_path),
        (&platform.fetch_orders, "/api/v1/orders/summary"),
        (&platform.price_cache, "/record"),
        (&platform.rates, "/api/v1/courses"),
        (&platform.rates, "/api/v1/courses?coins_from=BTC"),
        (&platform.rates, "/api/v1/price?direction=BTC-EUR"),
        (&platform.rates, "/api/v1/convert?from=BTC&to=EUR&amount=1"),
        (&platform.health_check, "/api/v1/health"),
        (&platform.health_check, "/api/v1/reports"),
    ];
    for service in platform.all_services() {
        paths.extend([(service, "/readyz"), (service, "/openapi.json")]);
    }
    paths
}

#[track_caller]
fn assert_ends_with_line_break(response: &Response, of: &str) {
    let is_line = response.body.ends_with(b"}\n") || response.body.ends_with(b"]\n");
    assert!(is_line, "{of}: {}", response.text());
    assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()), "{of}");
}

#[tokio::test]
async fn json_ends_with_line_break() {
    let (platform, order_path) = start_with_order().await;
    for (service, path) in json_paths(&platform, &order_path) {
        let response = platform.client.get(service.url(path)).await;
        response.json(200);
        assert_ends_with_line_break(&response, path);
    }
    for service in platform.all_services() {
        let problem = platform.client.get(service.url("/nothing")).await;
        assert_eq!(problem.problem(404, "not_found")["subcode"], "unknown_path", "{}", service.name);
        assert_ends_with_line_break(&problem, service.name);
    }
    for (path, body) in
        [(ORDERS_PATH, order("EUR", "1")), ("/place_order", order("GBP", "-1")), (ORDERS_PATH, "{".into())]
    {
        let response = platform.client.post(platform.create_order.url(path), body).await;
        assert_ends_with_line_break(&response, path);
    }
}

async fn decompressed(response: &Response) -> Bytes {
    assert_eq!(response.header("content-encoding"), Some("gzip"), "{}", response.text());
    let mut bytes = Vec::new();
    GzipDecoder::new(BufReader::new(&response.body[..])).read_to_end(&mut bytes).await.unwrap();
    bytes.into()
}

#[tokio::test]
async fn large_response_is_compressed_for_a_client_that_accepts_gzip() {
    let (platform, order_path) = start_with_order().await;
    for _ in 0..10 {
        platform.place(order("EUR", "1")).await.json(201);
    }
    let get = async |service: &Instance, path: &str, encoding: &'static str| {
        send(platform.client.request("GET", service.url(path)).header("accept-encoding", encoding)).await
    };
    for (service, path) in [
        (&platform.create_order, "/docs"),
        (&platform.create_order, "/openapi.json"),
        (&platform.fetch_orders, ORDERS_PATH),
        (&platform.fetch_orders, "/api/v1/orders/export?format=csv"),
    ] {
        let (plain, compressed) = (get(service, path, "br").await, get(service, path, "br, gzip").await);
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        assert!(compressed.body.len() < plain.body.len() / 2, "{path}");
        assert_eq!(decompressed(&compressed).await, plain.body, "{path}");
        for response in [plain, compressed] {
            assert_eq!((response.status, response.header("vary")), (200, Some("accept-encoding")), "{path}");
        }
    }
    // Courses change while the test runs, so two responses are not compared.
    let courses = get(&platform.rates, "/api/v1/courses", "gzip").await;
    let body = decompressed(&courses).await;
    assert!(serde_json::from_slice::<serde_json::Value>(&body).unwrap().is_array());
    assert!(courses.header("etag").unwrap().starts_with("W/\""));
    // A small response is not compressed.
    let single = get(&platform.fetch_orders, &order_path, "gzip").await;
    single.json(200);
    assert_eq!((single.header("content-encoding"), single.header("vary")), (None, None));
}

#[tokio::test]
async fn stream_of_events_is_not_compressed() {
    let (platform, _) = start_with_order().await;
    let url = platform.rates.url("/api/v1/courses/stream");
    let request = platform.client.request("GET", url).header("accept-encoding", "gzip");
    let mut stream = request.send().await.unwrap();
    assert_eq!(stream.headers().get("content-encoding"), None);
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "retry: 2000\n\n");
}

#[tokio::test]
async fn head_has_the_headers_of_get_without_the_body() {
    let (platform, order_path) = start_with_order().await;
    let stable = [
        (&platform.fetch_orders, order_path.as_str()),
        (&platform.fetch_orders, ORDERS_PATH),
        (&platform.fetch_orders, "/api/v1/orders/export?format=jsonl"),
        (&platform.fetch_orders, "/api/v1/orders/nothing"),
        (&platform.create_order, "/livez"),
        (&platform.create_order, "/docs"),
        (&platform.create_order, "/"),
        (&platform.create_order, "/nothing"),
    ];
    for (service, path) in stable {
        let request = |method| platform.client.request(method, service.url(path)).header("x-request-id", "compared");
        let (get, head) = (send(request("GET")).await, send(request("HEAD")).await);
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}: {}", head.text());
        for name in ["content-type", "content-disposition", "location", "allow", "x-request-id"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        // A streamed body has no `content-length`, and an empty body needs none.
        let length = get.header("content-length").filter(|length| *length != "0");
        assert_eq!(head.header("content-length"), length, "{path}");
    }
}

#[tokio::test]
async fn options_lists_the_methods_of_a_path() {
    let (platform, order_path) = start_with_order().await;
    for (service, path, allowed) in [
        (&platform.create_order, "/place_order", "OPTIONS, POST"),
        (&platform.create_order, ORDERS_PATH, "GET, HEAD, OPTIONS, POST"),
        (&platform.create_order, "/api/v1/quotes/", "OPTIONS, POST"),
        (&platform.create_order, "/docs", "GET, HEAD, OPTIONS"),
        (&platform.create_order, "/", "GET, HEAD, OPTIONS"),
        (&platform.health_check, "/", "GET, HEAD, OPTIONS"),
        (&platform.fetch_orders, order_path.as_str(), "GET, HEAD, OPTIONS"),
        // OPTIONS needs no token.
        (&platform.price_updater, "/sources/order", "GET, HEAD, OPTIONS, PUT"),
    ] {
        let response = send(platform.client.request("OPTIONS", service.url(path))).await;
        assert_eq!((response.status, response.body.len()), (204, 0), "{path}");
        assert_eq!(response.header("allow"), Some(allowed), "{path}");
    }
    send(platform.client.request("OPTIONS", platform.create_order.url("/nothing"))).await.problem(404, "not_found");
}

#[tokio::test]
async fn root_is_or_redirects_to_the_page_of_the_service() {
    let (platform, _) = start_with_order().await;
    for service in platform.all_services() {
        let root = platform.client.get(service.url("/")).await;
        if service.name == platform.health_check.name {
            assert_eq!(root.status, 200);
            assert!(root.header("content-type").unwrap().starts_with("text/html"));
        } else {
            assert_eq!((root.status, root.header("location")), (307, Some("docs")), "{}", service.name);
        }
        let page = platform.client.get(service.url("/docs")).await.text();
        assert!(page.contains(&format!("<title>{} · Buydesk API</title>", service.name)), "{}", service.name);
        assert!(page.contains("name=\"viewport\""), "{}", service.name);
    }
    send(platform.client.request("POST", platform.create_order.url("/"))).await.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn export_has_a_file_name() {
    let (platform, _) = start_with_order().await;
    for format in ["csv", "jsonl"] {
        let path = format!("/api/v1/orders/export?format={format}");
        let export = platform.client.get(platform.fetch_orders.url(&path)).await;
        let expected = format!("attachment; filename=\"orders.{format}\"");
        assert_eq!(export.header("content-disposition"), Some(expected.as_str()));
    }
}
