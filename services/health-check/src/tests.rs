//! Tests of the service over HTTP, each on its own port.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{
    api::{
        health::{Component, Health, HealthStatus, ServiceHealth, ServiceState},
        keys::KeySecret,
        reports::{MAX_REPORT_DATA, Report, ReportPage},
    },
    clients::http_client,
    config::{AcceptedCallers, Caller, Env, Secret, connect_address},
    level::Level,
    reporting::{self, Heartbeats},
    server::ReadinessCheck,
    service::Service,
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{AlertConfig, App, Config, HistoryConfig};

const TOKEN: &str = "a token of the tests";
const OPERATOR_TOKEN: &str = "the token of an operator";
const TIMEOUT: Duration = Duration::from_secs(10);

struct TestService {
    base: String,
    stop: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

impl TestService {
    async fn start() -> Self {
        Self::listen_on("127.0.0.1:0").await
    }

    async fn listen_on(address: &str) -> Self {
        Self::with_alerts(address, AlertConfig::default()).await
    }

    async fn with_alerts(address: &str, alerts: AlertConfig) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let accepted_callers = AcceptedCallers::of_internal_token(Secret::new(TOKEN), App::NAME);
        let config = Config {
            accepted_callers,
            operator_token: Some(Secret::new(OPERATOR_TOKEN)),
            alerts,
            history: HistoryConfig::default(),
            nginx_urls: Vec::new(),
        };
        let app = App::build(config, listener.into()).await.unwrap();
        let base = format!("http://{}", connect_address(app.address().unwrap()));
        let stop = CancellationToken::new();
        let server = tokio::spawn(app.run_until(stop.clone()));
        Self { base, stop, server }
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let response = http_client().get(format!("{}{path}", self.base)).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    async fn health(&self) -> Health {
        let (status, body) = self.get("/api/v1/health").await;
        assert_eq!(status, 200);
        serde_json::from_slice(&body).unwrap()
    }

    async fn reports(&self, query: &str) -> ReportPage {
        let (status, body) = self.get(&format!("/api/v1/reports?{query}")).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    async fn post(&self, token: &str, report: &Value) -> (u16, Value) {
        let request = http_client().post(format!("{}/report", self.base)).bearer_auth(token);
        let response =
            request.header("content-type", "application/json").body(report.to_string()).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn service(&self, name: &str) -> ServiceHealth {
        self.health().await.services.into_iter().find(|service| service.service == name).unwrap()
    }

    async fn wait_for_state(&self, name: &str, state: ServiceState) {
        let reached = async {
            while self.service(name).await.state != state {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIMEOUT, reached).await.unwrap_or_else(|_| panic!("{name} does not become {state}"));
    }
}

/// The status and the body of three endpoints that show reports or instances.
async fn visible_texts(app: &TestService, authorize: impl Fn(RequestBuilder) -> RequestBuilder) -> [(u16, String); 3] {
    let get = async |path: &str| {
        let response = authorize(http_client().get(format!("{}{path}", app.base))).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    [get("/").await, get("/api/v1/health").await, get("/api/v1/reports").await]
}

#[tokio::test]
async fn only_operators_see_reports_and_host_names_beyond_loopback() {
    let app = TestService::listen_on("0.0.0.0:0").await;
    let secrets = ["host-17", "10.0.0.5", "a leaked message", "a-secret-folder"];
    let part = json!({"name": "database", "ready": false, "detail": "10.0.0.5 refuses connections"});
    let measured = json!({"name": "disk_available", "subject": "/a-secret-folder", "value": 1, "unit": "bytes"});
    let machine = json!({"id": "m", "name": "host-17", "measurements": [measured]});
    let data = json!({"instance": "host-17-42", "parts": [part], "measurements": [measured], "machine": machine});
    let heartbeat = json!({"level": "info", "service": "db-proxy", "status": "alive", "data": data});
    assert_eq!(app.post(TOKEN, &heartbeat).await.0, 202);
    assert_eq!(app.post(TOKEN, &report("warning", "db-proxy", "a leaked message")).await.0, 202);

    let without_token = visible_texts(&app, |request| request).await;
    assert!(without_token[1].1.contains("\"instance 1\""), "{}", without_token[1].1);
    let with_key = visible_texts(&app, |request| request.bearer_auth(KeySecret::generate().expose())).await;
    let with_service_token = visible_texts(&app, |request| request.bearer_auth(TOKEN)).await;
    let with_wrong_token = visible_texts(&app, |request| request.bearer_auth("a-wrong-operator-token")).await;
    for (texts, health_status) in
        [(without_token, 200), (with_key, 200), (with_service_token, 200), (with_wrong_token, 401)]
    {
        assert_eq!(texts.each_ref().map(|(status, _)| *status), [200, health_status, 401]);
        for ((_, text), secret) in texts.iter().flat_map(|text| secrets.map(|secret| (text, secret))) {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    let bearer = visible_texts(&app, |request| request.bearer_auth(OPERATOR_TOKEN)).await;
    let basic = visible_texts(&app, |request| request.basic_auth("me", Some(OPERATOR_TOKEN))).await;
    for texts in [bearer, basic] {
        assert_eq!(texts.each_ref().map(|(status, _)| *status), [200; 3]);
        assert!(texts[1].1.contains("host-17") && texts[1].1.contains("10.0.0.5"), "{}", texts[1].1);
        assert!(texts[2].1.contains("a leaked message") && texts[0].1.contains("a leaked message"), "{}", texts[2].1);
    }
}

#[tokio::test]
async fn wrong_token_is_refused_on_loopback_too() {
    let app = TestService::start().await;
    let statuses = async |authorize: &dyn Fn(RequestBuilder) -> RequestBuilder| {
        visible_texts(&app, authorize).await.map(|(status, _)| status)
    };
    assert_eq!(statuses(&|request| request).await, [200; 3]);
    assert_eq!(statuses(&|request| request.bearer_auth(OPERATOR_TOKEN)).await, [200; 3]);
    // Credentials for other purposes are ignored.
    assert_eq!(statuses(&|request| request.bearer_auth(TOKEN)).await, [200; 3]);
    assert_eq!(statuses(&|request| request.bearer_auth(KeySecret::generate().expose())).await, [200; 3]);
    assert_eq!(statuses(&|request| request.bearer_auth("a-wrong-operator-token")).await, [200, 401, 401]);
    assert_eq!(statuses(&|request| request.basic_auth("me", Some("wrong"))).await, [200, 401, 401]);
    assert_eq!(statuses(&|request| request.header("authorization", "nonsense")).await, [200, 401, 401]);
    let response = http_client().get(format!("{}/api/v1/reports", app.base)).bearer_auth("a-wrong-token").send().await;
    let problem: Value = serde_json::from_slice(&response.unwrap().bytes().await.unwrap()).unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("not the operator token"), "{problem}");
}

#[tokio::test]
async fn alerts_silences_and_history_are_for_operators_beyond_loopback() {
    let app = TestService::listen_on("0.0.0.0:0").await;
    let silence = json!({"service": "rates", "for_secs": 60, "created_by": "ada", "reason": "an upgrade"});
    let send = async |method: reqwest::Method, path: &str, token: &str| {
        let request = http_client().request(method, format!("{}{path}", app.base)).bearer_auth(token);
        let request = request.header("content-type", "application/json").body(silence.to_string());
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            serde_json::from_slice::<Value>(&response.bytes().await.unwrap()).unwrap_or_default(),
        )
    };
    let reads = ["/api/v1/alerts", "/api/v1/silences", "/api/v1/health/history", "/api/v1/reports/groups"];
    for path in reads {
        assert_eq!(send(reqwest::Method::GET, path, TOKEN).await.0, 401, "{path}");
        assert_eq!(send(reqwest::Method::GET, path, OPERATOR_TOKEN).await.0, 200, "{path}");
    }
    assert_eq!(send(reqwest::Method::POST, "/api/v1/silences", TOKEN).await.0, 401);
    let (status, added) = send(reqwest::Method::POST, "/api/v1/silences", OPERATOR_TOKEN).await;
    assert_eq!(status, 201, "{added}");
    let path = format!("/api/v1/silences/{}", added["id"].as_str().unwrap());
    assert_eq!(send(reqwest::Method::DELETE, &path, "").await.0, 401);
    assert_eq!(send(reqwest::Method::DELETE, &path, OPERATOR_TOKEN).await.0, 204);
    assert_eq!(send(reqwest::Method::DELETE, &path, OPERATOR_TOKEN).await.0, 404);
}

#[tokio::test]
async fn history_of_an_unknown_subject_is_refused() {
    let app = TestService::listen_on("127.0.0.1:0").await;
    let get = async |subject: &str| {
        let url = format!("{}/api/v1/health/history?subject={subject}", app.base);
        let response = http_client().get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for subject in ["create-order", "platform"] {
        assert_eq!(get(subject).await.0, 200, "{subject}");
    }
    let (status, body) = get("create_order").await;
    assert_eq!(status, 422);
    assert!(body.contains("did you mean create-order?"), "{body}");
    // Both wrong parameters are named.
    let (status, body) = get("create_order&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").await;
    assert_eq!(status, 422);
    assert!(body.contains("did you mean create-order?") && body.contains("must not be later than to"), "{body}");
}

/// Without this refusal, the silence would cover all alerts of the service.
#[tokio::test]
async fn misspelt_field_of_a_silence_is_refused() {
    let app = TestService::listen_on("0.0.0.0:0").await;
    let url = format!("{}/api/v1/silences", app.base);
    let body = json!({
        "service": "rates", "alrt": "ServiceMissing", "for_secs": 60, "created_by": "ada", "reason": "an upgrade"
    });
    let request = http_client().post(&url).bearer_auth(OPERATOR_TOKEN).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 422);
    let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["errors"], json!([{"field": "alrt", "message": "is unknown; did you mean alert?"}]));
    // Wrong values are reported together with wrong types and missing fields.
    let body = json!({ "service": "rats", "alert": 7, "for_secs": 0, "x": 1, "reason": "" });
    let request = http_client().post(&url).bearer_auth(OPERATOR_TOKEN).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().await.unwrap();
    let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["alert", "x", "created_by", "service", "for_secs", "reason"]);
    // A misspelt field is not reported as missing too.
    let body = json!({ "servce": "rates", "for_secs": 60, "created_by": "ada", "resaon": "an upgrade" });
    let request = http_client().post(&url).bearer_auth(OPERATOR_TOKEN).header("content-type", "application/json");
    let response = request.body(body.to_string()).send().await.unwrap();
    let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["resaon", "servce"]);
    let response = http_client().get(&url).bearer_auth(OPERATOR_TOKEN).send().await.unwrap();
    let silences: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(silences["data"], json!([]));
}

#[tokio::test]
async fn browser_signs_in_with_the_operator_token() {
    let app = TestService::listen_on("0.0.0.0:0").await;
    let url = format!("{}/sign-in", app.base);
    let response = http_client().get(&url).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic realm="));
    let response = http_client().get(&url).basic_auth("me", Some(OPERATOR_TOKEN)).send().await.unwrap();
    // The client does not follow redirects.
    assert_eq!((response.status().as_u16(), response.headers()["location"].to_str().unwrap()), (303, "./"));
}

fn report(level: &str, service: &str, status: &str) -> Value {
    json!({"level": level, "service": service, "status": status, "data": {}})
}

#[tokio::test]
async fn reports_are_listed_newest_first_in_pages() {
    let app = TestService::start().await;
    for (level, status) in [("info", "one"), ("warning", "two"), ("critical", "three"), ("debug", "four")] {
        assert_eq!(app.post(TOKEN, &report(level, "db-proxy", status)).await.0, 202);
    }
    let texts = |page: &ReportPage| page.data.iter().map(|r| r.status.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&app.reports("").await), ["four", "three", "two", "one"]);
    assert_eq!(texts(&app.reports("level=warning&service=db-proxy").await), ["three", "two"]);
    assert_eq!(app.reports("level=WARN").await.data.len(), 2);
    assert_eq!(texts(&app.reports("service=create-order").await), [""; 0]);
    let first = app.reports("limit=3").await;
    let cursor = first.next_cursor.unwrap();
    let last = app.reports(&format!("limit=3&cursor={cursor}")).await;
    assert_eq!((texts(&last), last.next_cursor), (vec!["one".to_owned()], None));
    let to = first.data[0].received_at;
    assert_eq!(app.reports(&format!("to={to}")).await.data.len(), 3);
    let counts = app.health().await.reports_last_hour;
    assert_eq!((counts.critical, counts.error, counts.warning, counts.info, counts.debug), (1, 0, 1, 1, 1));
}

#[tokio::test]
async fn sending_a_report_requires_the_token() {
    let app = TestService::start().await;
    assert_eq!(app.post("a wrong token of tests", &report("info", "x", "x")).await.0, 401);
    assert_eq!(app.reports("").await.data, []);
}

#[tokio::test]
async fn invalid_reports_are_refused() {
    let app = TestService::start().await;
    let (status, problem) = app.post(TOKEN, &report("info", "<b>", "")).await;
    assert_eq!(
        (status, &problem["errors"][0]["field"], &problem["errors"][1]["field"]),
        (422, &json!("service"), &json!("status"))
    );
    for invalid in
        [json!({}), json!([]), report("fatal", "x", "x"), json!({"level": "info", "service": "x", "status": 1})]
    {
        assert_eq!(app.post(TOKEN, &invalid).await.0, 422, "{invalid}");
    }
    let mut large = report("info", "x", "x");
    large["data"] = json!("x".repeat(MAX_REPORT_DATA));
    assert_eq!(app.post(TOKEN, &large).await.0, 413);
    assert_eq!(app.reports("").await.data, []);
    // Only the refusal of a heartbeat is stored as a report.
    let mut heartbeat = report("info", "x", Report::ALIVE);
    heartbeat["data"] = json!({"interval_secs": -1});
    assert_eq!(app.post(TOKEN, &heartbeat).await.0, 422);
    assert_eq!(app.reports("").await.data.len(), 1);
}

#[tokio::test]
async fn invalid_filters_are_refused() {
    let app = TestService::start().await;
    let reversed = "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z";
    for query in
        ["limit=0", "limit=201", "limit=x", "cursor=x", "level=loud", "from=yesterday", "service=nobody", reversed]
    {
        assert_eq!(app.get(&format!("/api/v1/reports?{query}")).await.0, 422, "{query}");
    }
    // A service is known from its first report on.
    assert_eq!(app.post(TOKEN, &report("info", "nobody", "x")).await.0, 202);
    assert_eq!(app.reports("service=nobody").await.data.len(), 1);
    assert_eq!(app.reports("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z").await.data, []);
}

#[tokio::test]
async fn state_of_a_service_follows_its_heartbeats() {
    let app = TestService::start().await;
    assert_eq!(app.health().await.status, HealthStatus::Degraded);
    assert_eq!(app.service("create-order").await.state, ServiceState::Unknown);
    assert_eq!(app.service(App::NAME).await.state, ServiceState::Alive);

    let mut env = Env::from_pairs([("HEALTH_CHECK_URL", app.base.as_str()), ("INTERNAL_TOKEN", TOKEN)]);
    let config = reporting::Config::from_env(&mut env, Caller::DB_PROXY);
    env.finish().unwrap();
    let database = Arc::new(AtomicBool::new(true));
    let database_ready = Arc::clone(&database);
    let ready: ReadinessCheck = Arc::new(move || {
        let component = if database_ready.load(Ordering::Relaxed) {
            Component::ready("database")
        } else {
            Component::not_ready("database", "no connection")
        };
        Box::pin(async { vec![component] })
    });
    let source = reporting::report_queue("create-order");
    let (stop, flush) = (CancellationToken::new(), CancellationToken::new());
    let interval = Duration::from_millis(20);
    let heartbeats = Heartbeats { service: "create-order", port: None, check_readiness: ready, interval };
    let heartbeats = tokio::spawn(heartbeats.send(source.queue(), stop.clone()));
    let sending_reports = tokio::spawn(reporting::send_reports(config, source, flush.clone()));

    app.wait_for_state("create-order", ServiceState::Alive).await;
    database.store(false, Ordering::Relaxed);
    app.wait_for_state("create-order", ServiceState::Degraded).await;
    let health = app.health().await;
    assert_eq!((health.infrastructure[0].name.as_str(), health.infrastructure[0].ready), ("database", false));
    assert_eq!(app.service("create-order").await.instances[0].instance, reporting::instance_name());
    database.store(true, Ordering::Relaxed);
    app.wait_for_state("create-order", ServiceState::Alive).await;
    stop.cancel();
    heartbeats.await.unwrap();
    flush.cancel();
    sending_reports.await.unwrap();
    assert_eq!(app.service("create-order").await.state, ServiceState::Stopped);

    let changes = app.reports("service=create-order&text=the+service&limit=200").await;
    let changes: Vec<_> = changes.data.iter().map(|r| (r.level, r.data["to"].as_str().unwrap())).collect();
    let expected =
        [(Level::Info, "stopped"), (Level::Info, "alive"), (Level::Info, "degraded"), (Level::Info, "alive")];
    assert_eq!(changes, expected);
}

#[tokio::test]
async fn status_page_contains_no_markup_of_reports() {
    let app = TestService::start().await;
    app.post(TOKEN, &report("warning", "db-proxy", "</script><b>")).await;
    let response = http_client().get(format!("{}/", app.base)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = response.text().await.unwrap();
    assert!(page.contains("db-proxy") && !page.contains("</script><b>"));
}

#[tokio::test]
async fn metrics_show_services_and_reports() {
    let app = TestService::start().await;
    app.post(TOKEN, &report("warning", "db-proxy", "x")).await;
    assert_eq!(app.get("/readyz").await.0, 200);
    let metrics = async {
        loop {
            let text = String::from_utf8(app.get("/metrics").await.1).unwrap();
            if text.contains("service_state") && text.contains("name=\"create-order\"") {
                return text;
            }
            tokio::task::yield_now().await;
        }
    };
    let text = tokio::time::timeout(TIMEOUT, metrics).await.unwrap();
    assert!(text.contains("buydesk_reports_total{service=\"health-check\",level=\"warning\"} 1"), "{text}");
    app.stop.cancel();
    app.server.await.unwrap().unwrap();
}

#[test]
fn openapi_document_contains_the_endpoints() {
    let document: Value = serde_json::from_str(&App::openapi()).unwrap();
    for path in ["/report", "/api/v1/health", "/api/v1/reports", "/"] {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
}
