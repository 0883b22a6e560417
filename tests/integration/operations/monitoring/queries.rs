//! Prometheus scrapes `buydesk up --demo` and evaluates the queries of the rules and dashboards.

use std::{collections::BTreeSet, fs, time::Duration};

use common::{api::keys::KeySecret, service::Service};
use serde_json::{Value, json};
use tests::{
    Client,
    buydesk_up::BuydeskUp,
    client::send,
    environment::required_variable,
    platform::SERVICES,
    prometheus::{Prometheus, deployment_files, metric_names, repository},
    servers::Database,
    wait_until,
};

/// Maximum time until a query has a result. `rate` needs two scrapes, and a recorded series two further evaluations. The
/// interval is one second.
const RESULT_LIMIT: Duration = Duration::from_secs(60);
/// The data source of the dashboards.
const DATA_SOURCE: &str = "prometheus";
/// Panels that can be empty on a healthy platform, and the events that their series count.
const EMPTY_PANELS: [(&str, &str); 6] = [
    ("Firing alerts", "alerts that fire"),
    ("Responses with a 5xx status", "failed requests"),
    ("Implausible prices", "prices that were withheld"),
    ("Ended streams", "streams that ended"),
    ("Failed writes of price-updater", "errors"),
    ("Connections closed by a timeout", "connections that were closed"),
];

/// A query of a dashboard.
struct Query {
    panel: String,
    expression: String,
}

/// The queries of all dashboards. Also checks the ids and data sources of the dashboards.
fn dashboard_queries() -> Vec<Query> {
    let sources = deployment_files("grafana/provisioning/datasources");
    let sources: String = sources.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(sources.lines().any(|line| line.trim() == format!("uid: {DATA_SOURCE}")), "{sources}");
    let (mut queries, mut uids) = (Vec::new(), BTreeSet::new());
    for file in deployment_files("grafana/dashboards") {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        assert!(
            uids.insert(dashboard["uid"].as_str().unwrap().to_owned()),
            "{}: the uid is not unique",
            file.display()
        );
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: the id is not unique");
            assert_eq!(panel["datasource"]["uid"], DATA_SOURCE, "{title}");
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
                assert!(!expression.contains('$'), "{title} has an unknown variable: {expression}");
                queries.push(Query { panel: title.to_owned(), expression });
            }
        }
    }
    queries
}

/// The names of the series that the services export, including series without a value.
async fn exported_series(platform: &BuydeskUp) -> BTreeSet<String> {
    // Prometheus itself adds this series.
    let mut names = BTreeSet::from(["up".to_owned()]);
    for service in SERVICES {
        let text = Client::new("").get(format!("http://{}/metrics", platform.address(service))).await.text();
        for (name, kind) in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')) {
            let suffixes: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            names.extend(suffixes.iter().map(|suffix| format!("{name}{suffix}")));
        }
    }
    names
}

fn must_have_result(query: &Query) -> bool {
    EMPTY_PANELS.iter().all(|(panel, _)| *panel != query.panel)
}

/// The Rust code below `common` and `services`.
fn source_of_services() -> String {
    let (mut source, mut folders) = (String::new(), vec![repository().join("common"), repository().join("services")]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                source += &fs::read_to_string(path).unwrap();
            }
        }
    }
    source
}

/// Sends requests of each kind that a panel shows.
async fn use_the_platform(platform: &BuydeskUp) {
    let url = |service: &str, path: &str| format!("http://{}{path}", platform.address(service));
    let client = Client::new("");
    for currency in ["EUR", "USD", "GBP"] {
        let order = json!({"currency": currency, "amount": "69"}).to_string();
        client.post(url(create_order::App::NAME, "/api/v1/orders"), order).await.json(201);
    }
    client.get(url(create_order::App::NAME, "/api/v1/orders")).await.json(200);
    client.get(url(fetch_orders::App::NAME, "/api/v1/orders/summary")).await.json(200);
    client.get(url(rates::App::NAME, "/api/v1/courses")).await.json(200);
    let created = client.post(url(wallets::App::NAME, "/api/v1/wallets"), r#"{"currency":"USD"}"#);
    let wallet = created.await.json(201)["id"].as_str().unwrap().to_owned();
    let deposit = json!({"operation_type": "DEPOSIT", "amount": "1000"}).to_string();
    client.post(url(wallets::App::NAME, &format!("/api/v1/wallets/{wallet}/operation")), deposit).await.json(200);
    let unknown = KeySecret::generate();
    let request = client.request("GET", url(create_order::App::NAME, "/api/v1/orders")).bearer_auth(unknown.expose());
    assert_eq!(send(request).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_queries_have_results_and_alert_conditions_are_false_on_a_healthy_platform() {
    // The platform uses PostgreSQL and Redis, so that the metrics about these servers are exported.
    let (database, redis) = (Database::postgres().await, required_variable("TEST_REDIS_URL"));
    let (url, prefix) = (database.url(), format!("monitoring-{}:", uuid::Uuid::new_v4()));
    let settings = [("DATABASE_URL", url.as_str()), ("RATE_LIMIT_REDIS_URL", &redis), ("REDIS_KEY_PREFIX", &prefix)];
    let platform = BuydeskUp::start(&settings).await;
    let targets: Vec<_> = SERVICES.iter().map(|service| platform.address(service)).collect();
    let prometheus = Prometheus::start(&targets).await;
    use_the_platform(&platform).await;
    let (queries, rules) = (dashboard_queries(), prometheus.rules().await);
    assert!(queries.len() > 60, "only {} queries", queries.len());

    let mut known = exported_series(&platform).await;
    known.extend(rules.iter().filter(|rule| !rule.is_alert).map(|rule| rule.name.clone()));
    let expressions = queries.iter().map(|query| &query.expression).chain(rules.iter().map(|rule| &rule.query));
    let used: BTreeSet<_> = expressions.flat_map(|expression| metric_names(expression)).collect();
    assert!(used.len() > 60, "only {used:?}");
    // A metric of faults is not exported before the first fault.
    let source = source_of_services();
    let is_registered = |name: &str| {
        let name = name.strip_prefix("buydesk_").and_then(|name| name.strip_suffix("_total")).unwrap_or(name);
        source.contains(&format!("\"{name}\""))
    };
    let of_faults = queries.iter().filter(|query| !must_have_result(query));
    let of_faults = of_faults.flat_map(|query| metric_names(&query.expression));
    known.extend(of_faults.filter(|name| is_registered(name)));
    assert_eq!(used.difference(&known).collect::<Vec<_>>(), [""; 0], "series that no service exports");

    for (panel, _) in EMPTY_PANELS {
        assert!(queries.iter().any(|query| query.panel == panel), "no panel has the title {panel}");
    }
    for query in queries.iter().filter(|query| must_have_result(query)) {
        let condition = format!("{} has a result: {}", query.panel, query.expression);
        wait_until(&condition, RESULT_LIMIT, async || {
            (!prometheus.query(&query.expression).await.is_empty()).then_some(())
        })
        .await;
    }
    // Prometheus accepts the queries that can have no result.
    for query in queries.iter().filter(|query| !must_have_result(query)) {
        prometheus.query(&query.expression).await;
    }
    let recorded = rules.iter().filter(|rule| !rule.is_alert);
    for rule in recorded {
        let condition = format!("{} is recorded", rule.name);
        wait_until(&condition, RESULT_LIMIT, async || (!prometheus.query(&rule.name).await.is_empty()).then_some(()))
            .await;
    }
    for alert in rules.iter().filter(|rule| rule.is_alert) {
        let condition = format!("the condition of {} is false on a healthy platform: {}", alert.name, alert.query);
        wait_until(&condition, RESULT_LIMIT, async || prometheus.query(&alert.query).await.is_empty().then_some(()))
            .await;
    }
    prometheus.stop().await;
    assert!(platform.stop().await.success());
}
