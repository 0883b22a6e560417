//! The alerts of health-check. Most tests cause a fault, wait until its alert fires, end the fault, and wait until the alert is
//! resolved. The services are real processes with a short heartbeat interval; docs/operations.md states the times for the default
//! interval.

use std::time::Duration;

use common::api::{
    alerts::{Alert, AlertState, Silence, SilenceList},
    history::{HistoryPage, HistoryPeriod},
};
use poem::{EndpointExt, Route, Server, endpoint::make, http::StatusCode, listener::TcpAcceptor};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tests::{
    Platform, Stack,
    client::send,
    nginx::Nginx,
    platform::Instance,
    servers::{PrivateServer, query_text},
    small_disk::SmallDisk,
    wait_until,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// With a shorter interval, services on a busy machine could count as missing.
const INTERVAL_SECS: &str = "5";
/// With this interval, the documented time is at most 35 s. The additional time is for a busy machine.
const FIRES_WITHIN: Duration = Duration::from_secs(60);
const RESOLVED_WITHIN: Duration = Duration::from_secs(60);
/// Includes the poll interval of a price source and its backoff after a failure.
const SOURCE_ALERT_WITHIN: Duration = Duration::from_secs(180);
/// More than the connections that db-proxy opens.
const OTHER_CONNECTIONS: u64 = 30;
const NGINX_ALERT: &str = "NginxUnavailable";

async fn alerts(platform: &Platform) -> Vec<Alert> {
    let list = platform.client.get(platform.health_check.url("/api/v1/alerts")).await.json(200);
    serde_json::from_value(list["data"].clone()).unwrap()
}

/// Waits until an alert has this state, and returns it.
async fn wait_for_alert(platform: &Platform, name: &str, subject: &str, state: AlertState, limit: Duration) -> Alert {
    wait_until(&format!("{name} of {subject} is {state}"), limit, async || {
        let is_expected = |alert: &Alert| alert.name == name && alert.subject == subject && alert.state == state;
        alerts(platform).await.into_iter().find(is_expected)
    })
    .await
}

async fn wait_until_alive(platform: &Platform, service: &Instance) {
    wait_until("health-check sees the service as alive", FIRES_WITHIN, async || {
        let health = platform.client.get(platform.health_check.url("/api/v1/health")).await.json(200);
        let services = health["services"].as_array().unwrap();
        services.iter().any(|entry| entry["service"] == service.name && entry["state"] == "alive").then_some(())
    })
    .await;
}

/// A server for `ALERT_WEBHOOK_URL`, which receives the notifications.
struct Webhook {
    url: String,
    received: UnboundedReceiver<Alert>,
}

impl Webhook {
    async fn start() -> Self {
        let (sender, received) = unbounded_channel();
        let endpoint = make(move |mut request: poem::Request| {
            let sender = sender.clone();
            async move {
                let body = request.take_body().into_vec().await.unwrap();
                let _ = sender.send(serde_json::from_slice(&body).unwrap());
                StatusCode::NO_CONTENT
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let acceptor = TcpAcceptor::from_tokio(listener).unwrap();
        tokio::spawn(Server::new_with_acceptor(acceptor).run(Route::new().at("/hook", endpoint).boxed()));
        Self { url, received }
    }

    /// The state of the next notification about a subject. Skips notifications about other subjects.
    async fn next_state_of(&mut self, subject: &str) -> AlertState {
        let next = async {
            loop {
                let alert = self.received.recv().await.expect("the receiver runs");
                if alert.subject == subject {
                    return alert.state;
                }
            }
        };
        tokio::time::timeout(FIRES_WITHIN, next).await.expect("no notification has arrived")
    }
}

async fn start_with_health_check(stack: Stack) -> Platform {
    let platform = Platform::builder(stack).set("ALIVE_INTERVAL_SECS", INTERVAL_SECS).in_processes().start().await;
    platform.health_check.start().await;
    platform
}

#[tokio::test]
async fn killed_service_causes_firing_and_resolved_notifications_except_during_a_silence() {
    let mut webhook = Webhook::start().await;
    let builder = Platform::builder(Stack::Embedded).set("ALIVE_INTERVAL_SECS", INTERVAL_SECS).in_processes();
    let platform = builder.set("ALERT_WEBHOOK_URL", webhook.url.clone()).start().await;
    platform.health_check.start().await;
    wait_until_alive(&platform, &platform.fetch_orders).await;
    platform.fetch_orders.kill().await;
    assert_eq!(webhook.next_state_of("fetch-orders").await, AlertState::Firing);
    platform.fetch_orders.start().await;
    assert_eq!(webhook.next_state_of("fetch-orders").await, AlertState::Resolved);

    let new = json!({ "service": "fetch-orders", "for_secs": 600, "created_by": "ada", "reason": "an upgrade" });
    let url = platform.health_check.url("/api/v1/silences");
    let silence: Silence = serde_json::from_value(platform.client.post(&url, new.to_string()).await.json(201)).unwrap();
    platform.fetch_orders.kill().await;
    let alert = wait_for_alert(&platform, "ServiceMissing", "fetch-orders", AlertState::Firing, FIRES_WITHIN).await;
    assert_eq!(alert.silence.as_ref(), Some(&silence.id));
    let list: SilenceList = serde_json::from_value(platform.client.get(&url).await.json(200)).unwrap();
    assert_eq!(list.data, std::slice::from_ref(&silence));
    assert!(webhook.received.try_recv().is_err(), "a notification was sent during the silence");
    // The alert is firing, so the end of the silence causes a notification.
    let removed = send(platform.client.request("DELETE", format!("{url}/{}", silence.id))).await;
    assert_eq!(removed.status, 204, "{}", removed.text());
    assert_eq!(webhook.next_state_of("fetch-orders").await, AlertState::Firing);
    send(platform.client.request("DELETE", format!("{url}/{}", silence.id))).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alert_fires_until_stopped_postgres_runs_again() {
    let mut postgres = PrivateServer::postgres().await;
    // PostgreSQL does not show the types of the sessions of other roles to this role.
    query_text(&postgres.url(), "create role plain login").await;
    query_text(&postgres.url(), "create database plain owner plain").await;
    let mut others = Vec::new();
    for _ in 0..OTHER_CONNECTIONS {
        others.push(PgConnection::connect(&postgres.url()).await.unwrap());
    }
    let database = format!("postgres://plain@{}/plain", postgres.address());
    let builder = Platform::builder(Stack::Servers).database(database).set("ALIVE_INTERVAL_SECS", INTERVAL_SECS);
    let platform = builder.in_processes().start().await;
    platform.health_check.start().await;
    wait_until_alive(&platform, &platform.db_proxy).await;
    let connections = wait_until("the connections of PostgreSQL are shown", FIRES_WITHIN, async || {
        let health = platform.client.get(platform.health_check.url("/api/v1/health")).await.json(200);
        let database =
            health["infrastructure"].as_array().unwrap().iter().find(|part| part["name"] == "database")?.clone();
        let measurements = database["measurements"].as_array()?;
        measurements.iter().find(|measured| measured["name"] == "connections_used").cloned()
    })
    .await;
    assert_eq!((&connections["max"], &connections["unit"]), (&json!(60), &json!("connections")));
    assert!(connections["value"].as_u64().unwrap() > OTHER_CONNECTIONS, "{connections}");
    drop(others);

    postgres.stop().await;
    wait_for_alert(&platform, "CommitsFail", "database", AlertState::Firing, FIRES_WITHIN).await;
    postgres.start().await;
    wait_for_alert(&platform, "CommitsFail", "database", AlertState::Resolved, RESOLVED_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alert_fires_until_stopped_redis_runs_again() {
    let mut redis = PrivateServer::redis().await;
    let builder =
        Platform::builder(Stack::Servers).set("REDIS_URL", redis.url()).set("ALIVE_INTERVAL_SECS", INTERVAL_SECS);
    let platform = builder.in_processes().start().await;
    platform.health_check.start().await;
    wait_until_alive(&platform, &platform.price_cache).await;
    let cache = wait_until("the memory of Redis is shown", FIRES_WITHIN, async || {
        let cache = platform.price_cache.component("cache").await;
        cache["measurements"].as_array().is_some_and(|list| list[0]["name"] == "memory_used").then_some(cache)
    })
    .await;
    assert_eq!(cache["detail"], "the role of the server is master");

    redis.stop().await;
    wait_for_alert(&platform, "RedisUnavailable", "cache", AlertState::Firing, FIRES_WITHIN).await;
    redis.start().await;
    wait_for_alert(&platform, "RedisUnavailable", "cache", AlertState::Resolved, RESOLVED_WITHIN).await;
}

/// The configuration of this nginx names no services, so the alert depends only on nginx.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alert_fires_until_stopped_nginx_runs_again() {
    let (mut webhook, mut nginx) = (Webhook::start().await, Nginx::builder().start().await);
    let builder = Platform::builder(Stack::Embedded).set("ALIVE_INTERVAL_SECS", INTERVAL_SECS).in_processes();
    let builder = builder.set("NGINX_URL", nginx.url("")).set("ALERT_WEBHOOK_URL", webhook.url.clone());
    let platform = builder.start().await;
    platform.health_check.start().await;
    let shown = async || {
        let health = platform.client.get(platform.health_check.url("/api/v1/health")).await.json(200);
        let parts = health["infrastructure"].as_array().unwrap();
        parts.iter().find(|part| part["name"] == "nginx").cloned()
    };
    let ready =
        wait_until("nginx is shown", FIRES_WITHIN, async || shown().await.filter(|part| part["ready"] == true)).await;
    assert_eq!(ready["told_by"], json!(["health-check"]));
    wait_until_alive(&platform, &platform.health_check).await;

    nginx.kill().await;
    let pending = wait_for_alert(&platform, NGINX_ALERT, "nginx", AlertState::Pending, FIRES_WITHIN).await;
    let refused = format!("{} cannot be reached: the connection was refused", nginx.url("/livez"));
    assert_eq!(pending.summary, format!("Customers cannot reach the services through nginx: {refused}."));
    assert_eq!(pending.runbook_url, "docs/runbooks/infrastructure.md#nginxunavailable");
    assert_eq!(webhook.next_state_of("nginx").await, AlertState::Firing);
    let health = platform.client.get(platform.health_check.url("/api/v1/health")).await.json(200);
    let own = health["services"].as_array().unwrap().iter().find(|entry| entry["service"] == "health-check").unwrap();
    assert_eq!((&own["state"], &own["ready"]), (&json!("degraded"), &json!(true)), "{own}");
    assert_eq!(shown().await.unwrap()["detail"], refused.as_str());
    let metric = |value: u8| format!("\nbuydesk_component_ready{{service=\"health-check\",name=\"nginx\"}} {value}\n");
    let metrics = async || platform.client.get(platform.health_check.url("/metrics")).await.text();
    assert!(metrics().await.contains(&metric(0)), "{}", metrics().await);

    nginx.start().await;
    assert_eq!(webhook.next_state_of("nginx").await, AlertState::Resolved);
    assert_eq!(shown().await.unwrap()["ready"], true);
    assert!(metrics().await.contains(&metric(1)), "{}", metrics().await);
    let newest_period = async |subject: &str| {
        let url = platform.health_check.url(&format!("/api/v1/health/history?subject={subject}&limit=1"));
        let page: HistoryPage = serde_json::from_value(platform.client.get(url).await.json(200)).unwrap();
        page.data.into_iter().next().unwrap()
    };
    assert_eq!(newest_period("nginx").await.state, NGINX_ALERT);
    let degraded = newest_period("health-check").await;
    assert!(degraded.to.is_some() && degraded.why.contains(&refused), "{degraded:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alert_fires_until_the_full_disk_of_the_database_is_freed() {
    let disk = SmallDisk::new(64);
    let builder = Platform::builder(Stack::Embedded).database(format!("sqlite:{}/buydesk.db", disk.path().display()));
    let builder = builder.set("ALIVE_INTERVAL_SECS", INTERVAL_SECS).set("ALERT_MEMORY_PERCENT", "0");
    let platform = builder.launch_db_proxy_through(disk.launcher()).start().await;
    platform.health_check.start().await;
    wait_until_alive(&platform, &platform.db_proxy).await;
    let process = platform.db_proxy.process_id().await;
    let filler = disk.fill(process);
    wait_for_alert(&platform, "DiskNearlyFull", "database", AlertState::Firing, FIRES_WITHIN).await;
    drop(filler);
    wait_for_alert(&platform, "DiskNearlyFull", "database", AlertState::Resolved, RESOLVED_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alert_fires_until_a_wrong_clock_is_corrected() {
    let builder = Platform::builder(Stack::Servers).set("ALIVE_INTERVAL_SECS", INTERVAL_SECS);
    let platform = builder.in_processes_with_own_clocks().start().await;
    platform.health_check.start().await;
    wait_until_alive(&platform, &platform.db_proxy).await;
    platform.db_proxy.set_clock_offset(3600);
    let alert = wait_for_alert(&platform, "ClockWrong", "clock", AlertState::Firing, FIRES_WITHIN).await;
    assert_eq!(alert.runbook_url, "docs/runbooks/orders.md#clockwrong");
    platform.db_proxy.set_clock_offset(0);
    wait_for_alert(&platform, "ClockWrong", "clock", AlertState::Resolved, RESOLVED_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alert_fires_until_a_failing_price_source_responds_again() {
    let builder = Platform::builder(Stack::Embedded).without_prices().set("ALIVE_INTERVAL_SECS", INTERVAL_SECS);
    let builder = builder.set("PRICE_SOURCES", "kraken,bitstamp,gemini").set("PRICE_REFRESH_SECS", "5");
    let platform = builder.in_processes().start().await;
    platform.start_other_services().await;
    wait_until_alive(&platform, &platform.price_updater).await;
    platform.exchange_sim.kill().await;
    wait_for_alert(&platform, "PriceSourceSilent", "kraken", AlertState::Firing, SOURCE_ALERT_WITHIN).await;
    platform.exchange_sim.start().await;
    wait_for_alert(&platform, "PriceSourceSilent", "kraken", AlertState::Resolved, SOURCE_ALERT_WITHIN).await;
}

#[tokio::test]
async fn healthy_platform_has_no_firing_alerts_and_shows_its_machine() {
    let platform = start_with_health_check(Stack::Embedded).await;
    wait_until_alive(&platform, &platform.db_proxy).await;
    let health = platform.client.get(platform.health_check.url("/api/v1/health")).await.json(200);
    let machines = health["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 1, "all processes run on one machine: {health}");
    let names: Vec<_> =
        machines[0]["measurements"].as_array().unwrap().iter().map(|measured| &measured["name"]).collect();
    for name in ["processors", "load", "memory_available", "disk_available"] {
        assert!(names.contains(&&json!(name)), "{name} is not in {names:?}");
    }
    let firing: Vec<_> =
        alerts(&platform).await.into_iter().filter(|alert| alert.state == AlertState::Firing).collect();
    assert_eq!(firing, []);
}

#[tokio::test]
async fn history_and_silences_survive_a_restart_of_health_check() {
    let folder = tempfile::TempDir::new().unwrap();
    let builder = Platform::builder(Stack::Embedded).set("ALIVE_INTERVAL_SECS", INTERVAL_SECS).in_processes();
    let file = folder.path().join("health.jsonl");
    let platform = builder.set("HEALTH_HISTORY_FILE", file.to_str().unwrap()).start().await;
    platform.health_check.start().await;
    wait_until_alive(&platform, &platform.fetch_orders).await;
    let new = json!({ "alert": "ServiceMissing", "for_secs": 600, "created_by": "ada", "reason": "an upgrade" });
    let silences = platform.health_check.url("/api/v1/silences");
    let silence = platform.client.post(&silences, new.to_string()).await.json(201);
    platform.fetch_orders.kill().await;
    let period = async |is_expected: fn(&HistoryPeriod) -> bool| {
        wait_until("the history has the expected period of fetch-orders", FIRES_WITHIN, async || {
            let url = platform.health_check.url("/api/v1/health/history?subject=fetch-orders&kind=service");
            let page: HistoryPage = serde_json::from_value(platform.client.get(url).await.json(200)).unwrap();
            page.data.into_iter().find(is_expected)
        })
        .await
    };
    let missing = period(|period| period.state == "missing" && period.to.is_none()).await;

    platform.health_check.kill().await;
    platform.health_check.start().await;
    assert_eq!(period(|period| period.state == "missing").await, missing, "the period must continue after a restart");
    assert_eq!(platform.client.get(&silences).await.json(200)["data"], json!([silence]));
    platform.fetch_orders.start().await;
    let ended = period(|period| period.state == "missing" && period.to.is_some()).await;
    assert_eq!((ended.id, ended.from), (missing.id, missing.from));
}
