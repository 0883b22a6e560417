//! nginx in front of the public services: which service responds, which requests nginx repeats, and the errors of nginx.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    api::Code,
    clients::db_proxy::{MOVE_DEADLINE, VERIFICATION_DEADLINE},
    service::Service,
};
use serde_json::Value;
use tests::{
    Platform, Response, Stack,
    client::{Client, send},
    nginx::{Nginx, NginxBuilder},
    on_both_stacks,
    platform::{OPERATOR_TOKEN, ORDERS_PATH, order},
    raw_http::send_raw,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;

on_both_stacks!(every_public_path_reaches_its_service, clients_cannot_choose_the_ip_address_that_is_rate_limited);

const OPTIONS: [&str; 2] = ["tls", "behind-proxy"];

fn read_file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deployment").join(path)).unwrap()
}

fn in_front_of(platform: &Platform) -> NginxBuilder {
    let services =
        [&platform.create_order, &platform.fetch_orders, &platform.rates, &platform.users, &platform.wallets];
    services.into_iter().fold(Nginx::builder(), |builder, service| builder.service([service]))
}

#[test]
fn configuration_is_valid_with_every_combination_of_options() {
    for set in 0..1 << OPTIONS.len() {
        let enabled =
            OPTIONS.iter().enumerate().filter(|(index, _)| set & (1 << index) != 0).map(|(_, option)| *option);
        let printed = enabled.fold(Nginx::builder(), NginxBuilder::option).check();
        assert!(!printed.contains("[warn]"), "{printed}");
    }
}

/// `NAME:PORT` of each instance in `upstreams.conf`.
fn configured_instances() -> Vec<(String, u16)> {
    let text = read_file("nginx/conf/upstreams.conf");
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("server ")?.split(' ').next());
    let split = servers.map(|server| server.split_once(':').unwrap());
    split.map(|(name, port)| (name.to_owned(), port.parse().unwrap())).collect()
}

#[test]
fn configured_instances_are_containers_with_fixed_addresses() {
    let compose = read_file("docker-compose.yml");
    let address = |service: &str| {
        let block = compose.split_once(&format!("\n  {service}:")).unwrap_or_else(|| panic!("{service}")).1;
        let line = block.lines().find_map(|line| line.trim().strip_prefix("ipv4_address: "));
        line.unwrap_or_else(|| panic!("{service} has no fixed address"))
    };
    let instances = configured_instances();
    let ports = BTreeMap::from([
        (create_order::App::NAME, create_order::App::PORT),
        (fetch_orders::App::NAME, fetch_orders::App::PORT),
        (rates::App::NAME, rates::App::PORT),
        (users::App::NAME, users::App::PORT),
        (wallets::App::NAME, wallets::App::PORT),
    ]);
    let hosts: Vec<_> =
        compose.lines().filter(|line| line.trim().starts_with("- \"") && line.contains(":${FRONT_")).collect();
    assert_eq!(hosts.len(), instances.len(), "{hosts:?}");
    for (name, port) in &instances {
        let service = name.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit());
        assert_eq!(ports[service], *port, "{name}");
        assert!(hosts.iter().any(|host| host.trim() == format!("- \"{name}:{}\"", address(name))), "{name}: {hosts:?}");
    }
    // nginx is the only trusted proxy of the services.
    assert_eq!(address("nginx"), "${FRONT_NETWORK:-10.213.37}.2");
    let trusted: Vec<_> = compose.lines().filter_map(|line| line.trim().strip_prefix("TRUSTED_PROXIES: ")).collect();
    assert_eq!(trusted, ["${TRUSTED_PROXIES:-10.213.37.2}"; 5]);
}

#[test]
fn nginx_waits_longer_for_a_service_than_the_service_waits_for_db_proxy() {
    let timeout = |text: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix("proxy_read_timeout ")).unwrap();
        Duration::from_secs(line.trim_end_matches("s;").parse().unwrap())
    };
    let paths = read_file("nginx/conf/paths.conf");
    let journal = paths.split_once("/api/v1/journal(").unwrap().1.split_once("\n}").unwrap().0;
    assert!(timeout(&read_file("nginx/conf/limits.conf")) > MOVE_DEADLINE);
    assert!(timeout(journal) > VERIFICATION_DEADLINE);
}

async fn every_public_path_reaches_its_service(stack: Stack) {
    let platform = Platform::start(stack).await;
    platform.start_other_services().await;
    let nginx = in_front_of(&platform).start().await;
    // A response does not name its service, so each expected response is one that only the right service sends.
    let get = async |path: &str| platform.client.get(nginx.url(path)).await;
    let as_operator =
        async |path: &str| send(platform.client.request("GET", nginx.url(path)).bearer_auth(OPERATOR_TOKEN)).await;

    for path in [ORDERS_PATH, "/place_order", "/place_order/"] {
        let placed = platform.client.post(nginx.url(path), order("EUR", "69")).await;
        let body = placed.json(201);
        let location = Url::parse(&nginx.url(path)).unwrap().join(placed.header("location").unwrap()).unwrap();
        let id = body.get("order").unwrap_or(&body)["id"].as_str().unwrap();
        assert_eq!(location.path(), format!("{ORDERS_PATH}/{id}"));
        assert_eq!(get(location.path()).await.json(200)["id"], id);
    }
    assert_eq!(get("/api/v1/orders?limit=2").await.json(200)["data"].as_array().unwrap().len(), 2);
    assert_eq!(get("/get_orders/?start=0&page_size=3").await.json(200)["data"].as_array().unwrap().len(), 3);
    assert_eq!(get("/api/v1/orders/summary").await.json(200)["count"], 3);
    assert!(get("/api/v1/orders/export?format=csv").await.text().starts_with("id,"));
    let options = send(platform.client.request("OPTIONS", nginx.url(ORDERS_PATH))).await;
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS, POST")));

    let quote = platform.client.post(nginx.url("/api/v1/quotes"), order("EUR", "1")).await.json(201);
    let quote = nginx.url(&format!("/api/v1/quotes/{}", quote["id"].as_str().unwrap()));
    assert_eq!(platform.client.get(&quote).await.json(200)["state"], "open");
    assert_eq!(send(platform.client.request("DELETE", &quote)).await.status, 204);

    let convert = get("/api/v1/convert?from=EUR").await;
    convert.invalid_fields(&["to", "amount"]);
    assert_eq!(get("/api/v1/price?direction=BTC-EUR").await.json(200)["direction"], "BTC-EUR");
    let stream = platform.client.request("GET", nginx.url("/api/v1/courses/stream")).send().await;
    assert!(stream.unwrap().chunk().await.unwrap().unwrap().starts_with(b"retry: 2000\n\n"));

    let user = platform.client.json(nginx.url("/api/v1/users"), r#"{"email":"ada@example.org","name":"Ada"}"#);
    let user = send(user.bearer_auth(OPERATOR_TOKEN)).await.json(201);
    let id = user["id"].as_str().unwrap();
    assert_eq!(as_operator(&format!("/api/v1/users/{id}")).await.json(200), user);
    assert_eq!(as_operator(&format!("/user?id={id}")).await.json(200), user);

    let wallet = platform.client.post(nginx.url("/api/v1/wallets"), r#"{"currency":"USD"}"#).await.json(201);
    let id = wallet["id"].as_str().unwrap();
    assert_eq!(get(&format!("/api/v1/wallets/{id}")).await.json(200), wallet);
    assert_eq!(get(&format!("/wallet?id={id}")).await.json(200), wallet);
    let operation = nginx.url(&format!("/api/v1/wallets/{id}/operation"));
    let deposit = platform.client.post(operation, r#"{"operation_type":"DEPOSIT","amount":"1"}"#).await;
    assert_eq!(deposit.json(200)["balance"], "1.00");
    let statement = get(&format!("/api/v1/wallets/{id}/operations")).await.json(200);
    assert_eq!(statement["data"].as_array().unwrap().len(), 1);
    let transfer = platform.client.post(nginx.url("/api/v1/transfers"), "{}").await;
    transfer.invalid_fields(&["from", "to", "amount"]);
    assert_eq!(as_operator("/api/v1/journal/verification").await.json(200)["violations"], serde_json::json!([]));

    for service in ["create-order", "fetch-orders", "rates", "users", "wallets"] {
        let document = get(&format!("/{service}/openapi.json")).await.json(200);
        assert_eq!(document["info"]["title"].as_str().map(str::to_lowercase).as_deref(), Some(service));
        assert_eq!(get(&format!("/{service}/docs")).await.status, 200);
    }
    assert_eq!(get("/openapi.json").await.json(200), get("/create-order/openapi.json").await.json(200));
    assert_eq!(get("/livez").await.text(), "ok\n");
    for path in ["/metrics", "/metrics/", "//metrics//", "/%6Detrics/"] {
        get(path).await.problem(404, "not_found");
    }
    get("/nothing").await.problem(404, "not_found");
    get("/_problem/internal").await.problem(404, "not_found");
}

async fn clients_cannot_choose_the_ip_address_that_is_rate_limited(stack: Stack) {
    let platform = Platform::builder(stack).set("RATE_LIMIT_PER_MINUTE", "1").set("TRUSTED_PROXIES", "127.0.0.1");
    let platform = platform.start().await;
    let place = async |nginx: &Nginx, forwarded: &str| {
        let request = platform.client.json(nginx.url(ORDERS_PATH), order("EUR", "1"));
        send(request.header("x-forwarded-for", forwarded)).await.status
    };
    // The test acts as the proxy in front of nginx. The proxy adds the last address of the header, and clients choose
    // the others.
    let behind_proxy = in_front_of(&platform).option("behind-proxy").change("192.0.2.1;", "127.0.0.1;").start().await;
    assert_eq!(place(&behind_proxy, "192.0.2.7").await, 201);
    assert_eq!(place(&behind_proxy, "192.0.2.7").await, 429);
    assert_eq!(place(&behind_proxy, "192.0.2.7, 192.0.2.8").await, 201);
    assert_eq!(place(&behind_proxy, "192.0.2.9, 192.0.2.8").await, 429);
    let nginx = in_front_of(&platform).start().await;
    assert_eq!(place(&nginx, "192.0.2.10").await, 201);
    assert_eq!(place(&nginx, "192.0.2.11").await, 429);
}

/// Checks a problem document of nginx. The title must be the title that the services use for the code.
#[track_caller]
fn assert_problem(response: &Response, status: u16, code: &str) -> Value {
    let problem = response.problem(status, code);
    assert_eq!(problem["title"], Code::from_text(code).unwrap().title());
    problem
}

#[tokio::test]
async fn errors_of_nginx_are_problem_documents_with_the_request_id() {
    let nginx = Nginx::builder().start().await;
    let client = Client::new("");
    let large = client.json(nginx.url(ORDERS_PATH), " ".repeat(1024 * 1024 + 1));
    let large = assert_problem(&send(large).await, 413, "payload_too_large");
    assert_eq!(large["detail"], "The body must have at most 1048576 bytes.");
    let long_line = client.get(nginx.url(&format!("/{}", "a".repeat(17 * 1024)))).await;
    assert_problem(&long_line, 414, "bad_request");
    let header = client.request("GET", nginx.url("/")).header("x-long", "a".repeat(17 * 1024));
    assert_problem(&send(header).await, 431, "bad_request");
    assert_problem(&client.get(nginx.url("/metrics")).await, 404, "not_found");

    for invalid in [
        &b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"[..],
        b"nonsense\r\n\r\n",
        b"GET / HTTP/3.1\r\nhost: a\r\n\r\n",
    ] {
        let response = send_raw(&nginx.address(), &[invalid]).await;
        assert!(response.contains(r#""status":400,"code":"bad_request""#), "{response}");
        assert!(response.contains("application/problem+json"), "{response}");
    }

    // No instance of any service runs.
    for path in [ORDERS_PATH, "/api/v1/price", "/api/v1/users", "/", "/users/docs"] {
        let request = client.request("GET", nginx.url(path)).header("x-request-id", "chosen-by-client");
        let problem = assert_problem(&send(request).await, 503, "upstream_unavailable");
        assert_eq!(problem["request_id"], "chosen-by-client");
    }
    let unsafe_id = client.request("GET", nginx.url("/")).header("x-request-id", r#"","code":"chosen"#);
    assert_problem(&send(unsafe_id).await, 503, "upstream_unavailable");
    let log = nginx.log_tail();
    assert!(log.contains(r#""method":"GET","path":"/users/docs","status":503"#), "{log}");
}

#[tokio::test]
async fn response_about_a_possibly_placed_order_is_outcome_unknown() {
    let nginx = Nginx::builder().start().await;
    let client = Client::new("");
    let place = |key: Option<&str>| {
        let request = client.json(nginx.url(ORDERS_PATH), order("EUR", "1"));
        send(key.into_iter().fold(request, |request, key| request.header("idempotency-key", key)))
    };
    // An earlier request with the key possibly placed the order.
    let problem = assert_problem(&place(Some("key-1")).await, 503, "outcome_unknown");
    assert_eq!((&problem["subcode"], &problem["idempotency_key"]), (&"no_effect".into(), &"key-1".into()));
    let problem = assert_problem(&place(Some(r#"quote"backslash\"#)).await, 503, "outcome_unknown");
    assert_eq!(problem.get("idempotency_key"), None);
    assert_problem(&place(None).await, 503, "upstream_unavailable");

    let instance = ClosingServer::start().await;
    let nginx = Nginx::builder().addresses("create-order", [instance.address.clone()]).start().await;
    let sent = client.post(nginx.url(ORDERS_PATH), order("EUR", "1")).await;
    let problem = assert_problem(&sent, 503, "outcome_unknown");
    assert_eq!((problem.get("subcode"), problem.get("idempotency_key")), (None, None));
    let keyed = client.json(nginx.url(ORDERS_PATH), order("EUR", "1")).header("idempotency-key", "key-2");
    let problem = assert_problem(&send(keyed).await, 503, "outcome_unknown");
    assert_eq!((problem.get("subcode"), &problem["idempotency_key"]), (None, &"key-2".into()));
}

#[tokio::test]
async fn request_is_sent_to_another_instance_only_if_a_repetition_is_safe() {
    let instances = [ClosingServer::start().await, ClosingServer::start().await];
    let addresses = || instances.iter().map(|instance| instance.address.clone());
    let mut builder = Nginx::builder();
    for service in ["create-order", "fetch-orders", "users", "wallets"] {
        builder = builder.addresses(service, addresses());
    }
    // With `max_fails=0`, nginx continues to use an instance after a failure.
    let nginx = builder.change("max_fails=1", "max_fails=0").start().await;
    let client = Client::new("");
    let count_sent = async |method: &str, path: &str, key: Option<&str>| {
        let before: usize = instances.iter().map(ClosingServer::received).sum();
        let request = client.request(method, nginx.url(path)).header("content-type", "application/json").body("{}");
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        assert_eq!(send(request).await.status, 503);
        instances.iter().map(ClosingServer::received).sum::<usize>() - before
    };
    let key = Some("key-1");
    let operation = "/api/v1/wallets/019b7d5a-1f00-7000-8000-000000000001/operation";
    let orders = [ORDERS_PATH, "/api/v1/orders/", "/place_order", "/place_order/?currency=EUR"];
    for path in orders.into_iter().chain([operation, "/api/v1/transfers", "/api/v1/wallets"]) {
        assert_eq!(count_sent("POST", path, None).await, 1, "{path}");
        assert_eq!(count_sent("POST", path, Some("")).await, 1, "{path}");
        assert_eq!(count_sent("POST", path, key).await, 2, "{path}");
    }
    assert_eq!(count_sent("GET", ORDERS_PATH, None).await, 2);
    assert_eq!(count_sent("DELETE", "/api/v1/quotes/1", None).await, 2);
    // These operations support no idempotency key.
    assert_eq!(count_sent("POST", "/api/v1/quotes", key).await, 1);
    assert_eq!(count_sent("POST", "/api/v1/users", key).await, 1);
    assert_eq!(count_sent("PATCH", "/api/v1/users/1", key).await, 1);
}

#[tokio::test]
async fn concurrent_requests_of_one_ip_address_are_limited() {
    let platform = Platform::start(Stack::Embedded).await;
    platform.start_other_services().await;
    let nginx = in_front_of(&platform).change("limit_conn per_address 256;", "limit_conn per_address 2;").start().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = platform.client.request("GET", nginx.url("/api/v1/courses/stream")).send().await.unwrap();
        stream.chunk().await.unwrap().unwrap();
        streams.push(stream);
    }
    assert_problem(&platform.client.get(nginx.url(ORDERS_PATH)).await, 429, "too_many_requests");
}

#[tokio::test]
async fn option_tls_serves_the_same_paths() {
    let platform = Platform::start(Stack::Embedded).await;
    let nginx = in_front_of(&platform).option("tls").start().await;
    let certificate = reqwest::Certificate::from_pem(&nginx.certificate()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([certificate]).build().unwrap();
    let placed = client.post(nginx.tls_url(ORDERS_PATH)).header("content-type", "application/json");
    assert_eq!(placed.body(order("EUR", "1")).send().await.unwrap().status(), 201);
    let missing = client.get(nginx.tls_url("/metrics")).send().await.unwrap();
    assert_eq!(
        (missing.status().as_u16(), &missing.headers()["content-type"]),
        (404, &"application/problem+json".parse().unwrap())
    );
}

/// A server that receives requests, and closes each connection without a response.
struct ClosingServer {
    address: String,
    received: Arc<AtomicUsize>,
}

impl ClosingServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::<AtomicUsize>::default();
        let counter = received.clone();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                    if connection.read_buf(&mut request).await.unwrap() == 0 {
                        break;
                    }
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = connection.shutdown().await;
            }
        });
        Self { address, received }
    }

    fn received(&self) -> usize {
        self.received.load(Ordering::SeqCst)
    }
}
