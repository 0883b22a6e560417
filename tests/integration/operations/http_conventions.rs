//! The HTTP conventions of every service: errors for unknown paths and methods, the internal token, request ids, and the
//! endpoints for monitoring and documentation.

use common::api::keys::KeySecret;
use serde_json::Value;
use tests::{
    Platform, Stack,
    client::send,
    on_both_stacks,
    platform::{Instance, OPERATOR_TOKEN, order},
    raw_http::send_raw,
    tcp_proxy::TcpProxy,
};

on_both_stacks!(
    unknown_path_and_method_return_problem_document,
    internal_endpoints_require_token,
    every_service_has_endpoints_for_monitoring_and_documentation,
    malformed_requests_cause_no_server_error,
    request_id_is_kept_or_generated,
    request_id_is_forwarded_to_next_service,
);

async fn unknown_path_and_method_return_problem_document(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    for service in platform.all_services() {
        for path in
            ["/nothing", "/api", "/api/v2/orders", "/livez/x", "/docs/x", "/%2e%2e/etc/passwd", "/place_order/x/y"]
        {
            for method in ["GET", "POST", "DELETE"] {
                let response = send(platform.client.request(method, service.url(path))).await;
                response.problem(404, "not_found");
            }
        }
    }
    for (service, path, methods) in [
        (&platform.create_order, "/place_order", &["GET", "PUT", "DELETE", "PATCH"][..]),
        (&platform.create_order, "/place_order/", &["GET"]),
        (&platform.create_order, "/api/v1/orders", &["PUT", "DELETE"]),
        (&platform.create_order, "/api/v1/price", &["POST", "DELETE"]),
        (&platform.fetch_orders, "/get_orders/", &["POST", "PUT", "DELETE"]),
        (&platform.fetch_orders, "/api/v1/orders", &["POST", "DELETE"]),
        (&platform.fetch_orders, "/api/v1/orders/0190a6e2-7c1b-7c3a-9d5e-0123456789ab", &["POST", "DELETE"]),
        (&platform.db_proxy, "/add/", &["GET", "DELETE"]),
        (&platform.db_proxy, "/get/", &["POST"]),
        (&platform.price_cache, "/record", &["POST", "DELETE"]),
        (&platform.price_cache, "/add/", &["GET"]),
        (&platform.price_updater, "/sources", &["POST"]),
        (&platform.health_check, "/report", &["GET", "PUT"]),
        (&platform.health_check, "/api/v1/health", &["POST"]),
        (&platform.health_check, "/api/v1/reports", &["POST", "DELETE"]),
        (&platform.exchange_sim, "/admin/faults", &["POST"]),
        (&platform.rates, "/api/v1/courses", &["POST", "DELETE"]),
        (&platform.rates, "/api/v1/price", &["PUT"]),
        (&platform.exchange_sim, "/admin/timeline", &["POST", "DELETE"]),
    ] {
        for method in methods {
            let response = send(platform.client.request(method, service.url(path))).await;
            response.problem(405, "method_not_allowed");
            let allowed = response.header("allow").unwrap_or_else(|| panic!("{method} {path}: no Allow header"));
            assert!(!allowed.split(", ").any(|allowed| allowed == *method), "{path} allows {allowed}");
        }
    }
    for service in platform.all_services() {
        for path in ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/errors"] {
            let response = send(platform.client.request("POST", service.url(path))).await;
            response.problem(405, "method_not_allowed");
            let allowed = response.header("allow").unwrap_or_else(|| panic!("POST {path}: no Allow header"));
            assert!(!allowed.split(", ").any(|allowed| allowed == "POST"), "{path} allows {allowed}");
        }
    }
}

async fn internal_endpoints_require_token(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let by_id = format!("/orders/{id}");
    for (service, method, path) in [
        (&platform.db_proxy, "POST", "/orders"),
        (&platform.db_proxy, "POST", "/add/"),
        (&platform.db_proxy, "POST", "/add"),
        (&platform.db_proxy, "GET", "/get/?start=0&page_size=5"),
        (&platform.db_proxy, "GET", "/get"),
        (&platform.db_proxy, "GET", "/orders"),
        (&platform.db_proxy, "GET", by_id.as_str()),
        (&platform.db_proxy, "GET", "/summary"),
        (&platform.price_cache, "POST", "/add/?ttl=60"),
        (&platform.price_cache, "POST", "/add"),
        (&platform.price_updater, "GET", "/sources"),
        (&platform.health_check, "POST", "/report"),
        (&platform.exchange_sim, "GET", "/admin/faults"),
        (&platform.exchange_sim, "PUT", "/admin/faults/kraken"),
        (&platform.exchange_sim, "PUT", "/admin/timeline"),
        (&platform.exchange_sim, "GET", "/admin/calls"),
    ] {
        let long = "x".repeat(5000);
        for token in [None, Some(""), Some("wrong"), Some(long.as_str()), Some(id)] {
            let request = platform.client.request(method, service.url(path));
            let request = match token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            // The token is checked before the body.
            let response = send(request.header("content-type", "application/json").body("{}")).await;
            response.problem(401, "unauthorized");
        }
        let basic = platform.client.request(method, service.url(path)).basic_auth("buydesk", Some("x"));
        send(basic.header("content-type", "application/json").body("{}")).await.problem(401, "unauthorized");
    }
    // With the token, a request succeeds. `/record` needs no token.
    assert_eq!(platform.client.get_internal(platform.db_proxy.url("/get/?start=0&page_size=5")).await.status, 200);
    assert_eq!(platform.client.get(platform.price_cache.url("/record")).await.status, 200);
}

async fn every_service_has_endpoints_for_monitoring_and_documentation(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    platform.place(order("EUR", "1")).await.json(201);
    for service in platform.all_services() {
        assert_monitoring_and_documentation(&platform, service).await;
    }
}

async fn assert_monitoring_and_documentation(platform: &Platform, service: &Instance) {
    let get = async |path: &str| platform.client.get(service.url(path)).await;
    let alive = get("/livez").await;
    assert_eq!((alive.status, alive.text().as_str()), (200, "ok\n"), "{}", service.name);
    let ready = get("/readyz").await.json(200);
    assert_eq!(ready["ready"], true, "{} {ready}", service.name);
    assert!(ready["parts"].is_array());
    // The readiness does not depend on the credentials of the request.
    for token in [OPERATOR_TOKEN, "an-unknown-token", KeySecret::generate().expose()] {
        let request = platform.client.request("GET", service.url("/readyz")).bearer_auth(token);
        assert_eq!(send(request).await.json(200)["ready"], true, "{}", service.name);
    }
    let metrics = get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("# TYPE") && metrics.text().contains("livez"), "{}", metrics.text());
    let openapi: Value = serde_json::from_slice(&get("/openapi.json").await.body).unwrap();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(openapi["info"]["title"], service.name);
    let metrics_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(metrics.header("content-type"), Some(metrics_type), "{}", service.name);
    assert!(metrics.text().ends_with("# EOF\n"));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert!(openapi["paths"].get(path).is_some(), "{} does not document {path}", service.name);
    }
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/docs/", "text/html"),
        ("/errors", "text/html"),
        ("/openapi.json", "application/json"),
    ] {
        let page = get(path).await;
        assert!(
            page.status == 200 && page.header("content-type").unwrap().starts_with(kind),
            "{} {path}",
            service.name
        );
        let head = send(platform.client.request("HEAD", service.url(path))).await;
        assert!(head.status == 200 && head.body.is_empty(), "{} {path}", service.name);
    }
}

async fn malformed_requests_cause_no_server_error(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    let long = format!("/{}", "x".repeat(30_000));
    for service in platform.all_services() {
        for path in [
            "/%ff",
            "/%",
            "/%zz",
            "//",
            "///etc",
            "/a//b",
            "/?%ff=%",
            "/\u{20ac}",
            "/..%2f..",
            "/api/v1/orders/%2f",
            long.as_str(),
        ] {
            for method in ["GET", "POST", "BREW"] {
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                );
                let response = send_raw(&service.address(), &[request.as_bytes()]).await;
                let status = response.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
                let is_valid = status.is_some_and(|status| (200..500).contains(&status));
                assert!(is_valid, "{} {method} {path:.40}: {response}", service.name);
            }
        }
    }
    for head in [
        "POST /place_order HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        "POST /place_order HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "POST /place_order HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "POST /place_order\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let response = send_raw(&platform.create_order.address(), &[head.as_bytes()]).await;
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 4"), "{head}: {response}");
    }
    for service in platform.all_services() {
        assert_eq!(platform.client.get(service.url("/livez")).await.status, 200, "{}", service.name);
    }
}

async fn request_id_is_kept_or_generated(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    for service in platform.all_services() {
        let with_id = async |id: &str, path: &str| {
            send(platform.client.request("GET", service.url(path)).header("x-request-id", id.as_bytes())).await
        };
        for path in ["/livez", "/nothing"] {
            assert_eq!(with_id("my-request.1", path).await.header("x-request-id"), Some("my-request.1"));
            for invalid in ["a b", "<script>", &"x".repeat(65), "ключ", ""] {
                let generated = with_id(invalid, path).await;
                let generated = generated.header("x-request-id").unwrap();
                assert!(generated != invalid && generated.len() >= 32, "{invalid}: {generated}");
            }
        }
        let (first, second) =
            (platform.client.get(service.url("/livez")).await, platform.client.get(service.url("/livez")).await);
        assert!(
            first.header("x-request-id").is_some() && first.header("x-request-id") != second.header("x-request-id")
        );
    }
    let request = platform.client.json(platform.create_order.url("/place_order"), "{");
    let problem = send(request.header("x-request-id", "my-request.2")).await.problem(400, "bad_request");
    assert_eq!(problem["request_id"], "my-request.2");
}

async fn request_id_is_forwarded_to_next_service(stack: Stack) {
    let builder = Platform::builder(stack);
    let db_proxy = TcpProxy::start(builder.address_of("db-proxy")).await;
    let price_cache = TcpProxy::start(builder.address_of("price-cache-proxy")).await;
    let platform = builder.set("DB_PROXY_URL", db_proxy.url()).set("PRICE_CACHE_URL", price_cache.url()).start().await;
    let place = platform.order_request(order("EUR", "1"));
    send(place.header("x-request-id", "placing-7")).await.json(201);
    assert!(db_proxy.sent().contains("x-request-id: placing-7\r\n"));
    let fetch = platform.client.request("GET", platform.fetch_orders.url("/get_orders"));
    send(fetch.header("x-request-id", "fetching-7")).await.json(200);
    assert!(db_proxy.sent().contains("x-request-id: fetching-7\r\n"));
    // A new instance also forwards the request id.
    let second = platform.create_order.another(&[]);
    second.start().await;
    let place = platform.client.json(second.url("/api/v1/orders"), order("EUR", "1"));
    send(place.header("x-request-id", "placing-8")).await.json(201);
    assert!(db_proxy.sent().contains("x-request-id: placing-8\r\n"));
    // URLs contain no token.
    for proxy in [&db_proxy, &price_cache] {
        let sent = proxy.sent();
        let mut gets = sent.lines().filter(|line| line.starts_with("GET")).peekable();
        assert!(gets.peek().is_some(), "{sent}");
        assert!(!gets.any(|line| line.contains("oken")), "{sent}");
    }
}
