//! Traces: the spans that a collector receives, and the trace ids in the log. The commands that one
//! transaction decides are a group.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use common::service::Service;
use futures_util::future::join_all;
use serde_json::Value;
use tests::{
    Client, Platform, Response, Stack,
    buydesk_up::BuydeskUp,
    client::send,
    collector::{Collector, ReceivedSpan},
    platform::order,
    servers::Port,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(20);
/// The span id of the caller in each trace of these tests.
const CALLER: &str = "00000000000000ff";
const SAMPLED: &str = "01";
const NOT_SAMPLED: &str = "00";

fn trace_id(number: usize) -> String {
    format!("{number:032x}")
}

/// Sends a request that is part of the trace with this number.
async fn in_trace(request: reqwest::RequestBuilder, number: usize, flags: &str) -> Response {
    let traceparent = format!("00-{}-{CALLER}-{flags}", trace_id(number));
    send(request.header("traceparent", traceparent).header("tracestate", "vendor=1")).await
}

async fn start(collector: &Collector) -> BuydeskUp {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str());
    BuydeskUp::start(&[endpoint, ("RATE_LIMIT_PER_MINUTE", "0")]).await
}

fn url(platform: &BuydeskUp, service: &str, path: &str) -> String {
    format!("http://{}{path}", platform.address(service))
}

fn order_request(platform: &BuydeskUp, client: &Client) -> reqwest::RequestBuilder {
    client.json(url(platform, create_order::App::NAME, "/api/v1/orders"), order("EUR", "1"))
}

/// The only span of a service with this name.
#[track_caller]
fn only<'a>(spans: &'a [ReceivedSpan], service: &str, name: &str) -> &'a ReceivedSpan {
    let found: Vec<_> = spans.iter().filter(|span| span.service == service && span.name == name).collect();
    assert_eq!(found.len(), 1, "{service}: {name}\n{spans:#?}");
    found[0]
}

/// The service and the name of a span and of each of its ancestors.
fn ancestors<'a>(spans: &'a [ReceivedSpan], span: &'a ReceivedSpan) -> Vec<(&'a str, &'a str)> {
    let parent = |span: &&ReceivedSpan| spans.iter().find(|parent| parent.id == span.parent);
    std::iter::successors(Some(span), parent).map(|span| (span.service.as_str(), span.name.as_str())).collect()
}

fn link(span: &ReceivedSpan) -> (String, String) {
    (span.trace_id.clone(), span.id.clone())
}

#[tokio::test]
async fn trace_follows_an_order_from_its_request_to_its_transaction() {
    let collector = Collector::start().await;
    let platform = start(&collector).await;
    let client = Client::new("");
    let response = in_trace(order_request(&platform, &client), 1, SAMPLED).await;
    let order = response.json(201);
    let request = ("create-order", "POST /api/v1/orders");
    let expected = [
        request,
        ("create-order", "queued"),
        ("create-order", "batch"),
        ("create-order", "POST db-proxy"),
        ("db-proxy", "POST /orders"),
        ("db-proxy", "commit"),
        ("db-proxy", "group"),
        ("db-proxy", "transaction"),
    ];
    let spans = collector.wait_for_trace(&trace_id(1), &expected).await;

    let served = only(&spans, request.0, request.1);
    assert_eq!(served.parent, CALLER);
    assert_eq!(served.trace_state, "vendor=1");
    for (name, value) in [
        ("http.route", "/api/v1/orders"),
        ("http.response.status_code", "201"),
        ("buydesk.request_id", response.header("x-request-id").unwrap()),
    ] {
        assert_eq!(served.attributes[name], value, "{name}");
    }
    let called = only(&spans, "db-proxy", "POST /orders");
    assert_eq!(
        ancestors(&spans, called),
        [("db-proxy", "POST /orders"), ("create-order", "POST db-proxy"), ("create-order", "batch"), request]
    );
    let transaction = only(&spans, "db-proxy", "transaction");
    assert_eq!(
        ancestors(&spans, transaction),
        [("db-proxy", "transaction"), ("db-proxy", "group"), ("db-proxy", "commit"), request]
    );
    assert_eq!(transaction.attributes["buydesk.transaction.commit_sent"], "true");
    let group = only(&spans, "db-proxy", "group");
    assert_eq!((&*group.attributes["buydesk.aggregate"], &*group.attributes["buydesk.group.size"]), ("order", "1"));
    for (member, whole) in [
        (only(&spans, "create-order", "queued"), only(&spans, "create-order", "batch")),
        (only(&spans, "db-proxy", "commit"), group),
    ] {
        assert_eq!((&member.links, &whole.links), (&vec![link(whole)], &vec![link(member)]));
    }

    // A read passes through create-order, fetch-orders and db-proxy.
    let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
    let read = client.request("GET", url(&platform, create_order::App::NAME, &path));
    in_trace(read, 2, SAMPLED).await.json(200);
    let route = "GET /api/v1/orders/{id}";
    let expected = [("create-order", route), ("fetch-orders", route), ("db-proxy", "POST /v2/orders/lookup")];
    let spans = collector.wait_for_trace(&trace_id(2), &expected).await;
    let path: Vec<_> = ancestors(&spans, only(&spans, expected[2].0, expected[2].1));
    let services: Vec<_> = path.iter().map(|(service, _)| *service).collect();
    assert_eq!((services.first(), services.last()), (Some(&"db-proxy"), Some(&"create-order")), "{path:?}");
    assert!(services.contains(&"fetch-orders"), "{path:?}");

    let wallets = url(&platform, wallets::App::NAME, "/api/v1/wallets");
    let wallet = in_trace(client.json(&wallets, r#"{"currency":"EUR"}"#), 3, SAMPLED).await.json(201);
    collector.wait_for_trace(&trace_id(3), &[("wallets", "POST /api/v1/wallets"), ("wallets", "POST db-proxy")]).await;
    let operation = format!("{wallets}/{}/operation", wallet["id"].as_str().unwrap());
    let deposit = client.json(operation, r#"{"operation_type":"DEPOSIT","amount":"5"}"#);
    in_trace(deposit, 4, SAMPLED).await.json(200);
    let request = ("wallets", "POST /api/v1/wallets/{id}/operation");
    let expected = [request, ("wallets", "batch"), ("db-proxy", "commit"), ("db-proxy", "transaction")];
    let spans = collector.wait_for_trace(&trace_id(4), &expected).await;
    assert_eq!(only(&spans, "db-proxy", "group").attributes["buydesk.aggregate"], "movement");

    let rates = client.request("GET", url(&platform, rates::App::NAME, "/api/v1/courses"));
    in_trace(rates, 5, SAMPLED).await.json(200);
    collector.wait_for_trace(&trace_id(5), &[("rates", "GET /api/v1/courses")]).await;
    // Probes have no spans.
    assert!(collector.spans().iter().all(|span| span.attributes.get("url.path").is_none_or(|path| path != "/readyz")));
    assert!(platform.stop().await.success());
}

#[tokio::test]
async fn separate_processes_record_one_trace_and_send_their_last_spans_before_they_end() {
    let collector = Collector::start().await;
    let builder = Platform::builder(Stack::Servers).set("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url);
    let platform = builder.in_processes().start().await;
    in_trace(platform.order_request(order("EUR", "1")), 1, SAMPLED).await.json(201);
    for service in [&platform.create_order, &platform.db_proxy] {
        service.stop().await;
    }
    let spans = collector.trace(&trace_id(1));
    let transaction = ancestors(&spans, only(&spans, "db-proxy", "transaction"));
    assert_eq!(transaction.last(), Some(&("create-order", "POST /api/v1/orders")));
    let called = ancestors(&spans, only(&spans, "db-proxy", "POST /orders"));
    assert_eq!(called.last(), transaction.last());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_order_of_a_group_has_its_own_trace_with_a_link_to_the_group() {
    const ORDERS: usize = 24;
    let collector = Collector::start().await;
    let platform = start(&collector).await;
    let client = Client::new("");
    let mut placed = 0;
    let (group, commits) = wait_until("a group of several orders", LIMIT, async || {
        let numbers = placed + 1..=placed + ORDERS;
        placed += ORDERS;
        let responses = numbers.map(|number| in_trace(order_request(&platform, &client), number, SAMPLED));
        for response in join_all(responses).await {
            response.json(201);
        }
        for number in placed + 1 - ORDERS..=placed {
            collector.wait_for_trace(&trace_id(number), &[("db-proxy", "commit")]).await;
        }
        let spans = collector.spans();
        let group = spans.iter().find(|span| span.name == "group" && span.links.len() > 1)?.clone();
        let commits: BTreeMap<_, _> =
            spans.into_iter().filter(|span| span.name == "commit").map(|span| (link(&span), span)).collect();
        Some((group, commits))
    })
    .await;
    let members: Vec<_> = group.links.iter().map(|member| &commits[member]).collect();
    let traces: BTreeSet<_> = members.iter().map(|member| &member.trace_id).collect();
    assert_eq!(traces.len(), members.len(), "several orders share a trace");
    assert_eq!(group.attributes["buydesk.group.size"], members.len().to_string());
    for member in members {
        assert_eq!(member.links, [link(&group)]);
        assert!(member.attributes["buydesk.queued_us"].parse::<u64>().is_ok());
        // The parent is the request of this order.
        let request = ("create-order", "POST /api/v1/orders");
        let spans = collector.wait_for_trace(&member.trace_id, &[request]).await;
        assert_eq!(member.parent, only(&spans, request.0, request.1).id);
    }
    assert!(platform.stop().await.success());
}

#[tokio::test]
async fn sampling_flag_of_the_caller_applies_and_a_malformed_traceparent_begins_a_new_trace() {
    let collector = Collector::start().await;
    let platform = start(&collector).await;
    let client = Client::new("");
    in_trace(order_request(&platform, &client), 1, NOT_SAMPLED).await.json(201);
    let malformed = order_request(&platform, &client).header("traceparent", format!("00-{}-{CALLER}-1", trace_id(2)));
    send(malformed.header("x-request-id", "malformed")).await.json(201);
    in_trace(order_request(&platform, &client), 3, SAMPLED).await.json(201);
    // Pending spans are sent before the process exits.
    assert!(platform.stop().await.success());
    let spans = collector.spans();
    assert!(spans.iter().any(|span| span.trace_id == trace_id(3)));
    let is_unexpected = |span: &&ReceivedSpan| [trace_id(1), trace_id(2)].contains(&span.trace_id);
    assert_eq!(spans.iter().filter(is_unexpected).count(), 0);
    let new_trace =
        spans.iter().find(|span| span.attributes.get("buydesk.request_id").is_some_and(|id| id == "malformed"));
    assert_eq!(new_trace.unwrap().parent, "");
}

/// A metric of create-order. `None` if it is not exported.
async fn metric(platform: &BuydeskUp, name: &str) -> Option<u64> {
    let text = Client::new("").get(url(platform, create_order::App::NAME, "/metrics")).await.text();
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn orders_succeed_without_a_working_collector_and_spans_are_counted() {
    let collector = Collector::start().await;
    collector.respond_with(400);
    let platform = start(&collector).await;
    let client = Client::new("");
    in_trace(order_request(&platform, &client), 1, SAMPLED).await.json(201);
    wait_until("dropped spans are counted", LIMIT, async || {
        metric(&platform, "buydesk_trace_spans_dropped_total").await.filter(|dropped| *dropped > 0)
    })
    .await;
    collector.respond_with(200);
    in_trace(order_request(&platform, &client), 2, SAMPLED).await.json(201);
    collector.wait_for_trace(&trace_id(2), &[("db-proxy", "transaction")]).await;
    wait_until("exported spans are counted", LIMIT, async || {
        metric(&platform, "buydesk_trace_spans_exported_total").await.filter(|exported| *exported > 0)
    })
    .await;
    assert!(platform.stop().await.success());

    let unused_port = Port::reserve();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", &*unused_port.url());
    let platform = BuydeskUp::start(&[endpoint, ("LOG_FORMAT", "json")]).await;
    for number in 1..=5 {
        in_trace(order_request(&platform, &client), number, SAMPLED).await.json(201);
    }
    let failures = |folder: &Path| {
        let lines = log_lines(folder);
        let is_failure =
            |line: &&Value| line["message"].as_str().unwrap().starts_with("the collector does not accept traces");
        lines.iter().filter(is_failure).count()
    };
    wait_until("the failure is logged", LIMIT, async || (failures(platform.folder()) > 0).then_some(())).await;
    // Before the process exits, it sends the pending spans again. Only the first failure is logged.
    let (status, folder) = platform.stop_and_keep_folder().await;
    assert!(status.success());
    assert_eq!(failures(folder.path()), 1);
}

/// The JSON lines of the log in this folder. `buydesk up` also prints text.
fn log_lines(folder: &Path) -> Vec<Value> {
    let log = std::fs::read_to_string(folder.join("buydesk.log")).unwrap();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
}

#[tokio::test]
async fn log_contains_the_trace_id_although_no_spans_are_exported() {
    let platform = BuydeskUp::start(&[("LOG_FORMAT", "json")]).await;
    let client = Client::new("");
    in_trace(order_request(&platform, &client).header("x-request-id", "traced"), 1, SAMPLED).await.json(201);
    send(order_request(&platform, &client).header("x-request-id", "untraced")).await.json(201);
    let line_of = async |id: &str| {
        wait_until(&format!("the log has a line of the request {id}"), LIMIT, async || {
            let lines = log_lines(platform.folder());
            lines.into_iter().find(|line| line["message"] == "request answered" && line["request_id"] == id)
        })
        .await
    };
    assert_eq!(line_of("traced").await["trace_id"], trace_id(1));
    assert_eq!(line_of("untraced").await.get("trace_id"), None);
    for name in ["buydesk_trace_spans_exported_total", "buydesk_trace_spans_dropped_total"] {
        assert_eq!(metric(&platform, name).await, None);
    }
    assert!(platform.stop().await.success());
}
