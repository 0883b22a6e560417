//! The Locust file, run without the web page of Locust, against `buydesk up --demo`.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tests::{
    buydesk_up::BuydeskUp, environment::required_variable, nginx::Nginx, platform::OPERATOR_TOKEN, terminal::Terminal,
};

use super::settings::read_file;

const LOCUST_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deployment/locust/locustfile.py");
const SERVICES: [&str; 5] = ["create-order", "fetch-orders", "rates", "users", "wallets"];
/// The names of the requests in the statistics of Locust.
const KINDS: [&str; 23] = [
    "DELETE /api/v1/users/{id}/keys/{key_id}",
    "GET /api/v1/convert?from&to&amount",
    "GET /api/v1/courses?coins_from&coins_to",
    "GET /api/v1/orders/summary",
    "GET /api/v1/orders/{id}",
    "GET /api/v1/orders?limit",
    "GET /api/v1/price?direction",
    "GET /api/v1/users/{id}",
    "GET /api/v1/users?email",
    "GET /api/v1/wallets/{id}",
    "POST /api/v1/orders",
    "POST /api/v1/orders (invalid)",
    "POST /api/v1/orders (key reused)",
    "POST /api/v1/orders (paid from a wallet)",
    "POST /api/v1/orders (repeated)",
    "POST /api/v1/transfers",
    "POST /api/v1/users",
    "POST /api/v1/users (again)",
    "POST /api/v1/users/{id}/keys",
    "POST /api/v1/wallets",
    "POST /api/v1/wallets/{id}/operation (DEPOSIT)",
    "POST /api/v1/wallets/{id}/operation (WITHDRAW)",
    "POST /api/v1/wallets/{id}/operation (too much)",
];

struct LocustRun {
    output: Output,
    requests: Vec<Value>,
    /// The table of failures.
    failures: String,
}

impl LocustRun {
    /// Runs 20 users for `run_time`, with only these environment variables.
    fn start(
        host: &str,
        run_time: &str,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--headless", "--users", "20", "--spawn-rate", "20", "--only-summary"];
        let output = Command::new(required_variable("TEST_LOCUST"))
            .args(["-f", LOCUST_FILE, "--host", host, "--run-time", run_time])
            .args(arguments)
            .args(["--json-file", "report", "--csv", "report"])
            .env_clear()
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(variables)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let report = std::fs::read(folder.path().join("report.json")).unwrap();
        let failures = std::fs::read_to_string(folder.path().join("report_failures.csv")).unwrap();
        Self { output, requests: serde_json::from_slice(&report).unwrap(), failures }
    }

    fn sum(&self, field: &str) -> u64 {
        self.requests.iter().map(|entry| entry[field].as_u64().unwrap()).sum()
    }

    /// The log and the failures.
    fn text(&self) -> String {
        format!("{}\n{}", String::from_utf8_lossy(&self.output.stderr), self.failures)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locust_checks_every_response_and_an_unexpected_response_fails_the_run() {
    let settings = [("RATE_LIMIT_PER_MINUTE", "5"), ("OPERATOR_TOKEN", OPERATOR_TOKEN)];
    let platform = BuydeskUp::start(&settings).await;
    let nginx =
        SERVICES.iter().fold(Nginx::builder(), |nginx, service| nginx.addresses(service, [platform.address(service)]));
    let nginx = nginx.start().await;

    // Each user of Locust is a customer whose API key has its own rate limit.
    let run = LocustRun::start(&nginx.url(""), "7s", [("OPERATOR_TOKEN", OPERATOR_TOKEN)]);
    let text = run.text();
    let name = |entry: &Value| format!("{} {}", entry["method"].as_str().unwrap(), entry["name"].as_str().unwrap());
    let found: BTreeSet<_> = run.requests.iter().map(name).collect();
    assert_eq!(found, KINDS.iter().map(|&kind| kind.to_owned()).collect(), "{text}");
    assert_eq!((run.output.status.code(), run.sum("num_failures")), (Some(0), 0), "{text}");
    assert!(run.sum("num_requests") > 100, "{text}");

    // All anonymous users have the same IP address, so they share one rate limit.
    let terminal = Terminal::new(&platform, None);
    let host = format!("http://{}", platform.address("create-order"));
    let limited = LocustRun::start(&host, "2s", terminal.variables());
    let text = limited.text();
    assert_eq!(limited.output.status.code(), Some(1), "{text}");
    assert!(limited.sum("num_failures") > 0 && text.contains("429 too_many_requests instead of 201"), "{text}");

    platform.stop().await;
    let refused = LocustRun::start(&host, "2s", [("OPERATOR_TOKEN", OPERATOR_TOKEN)]);
    assert_eq!((refused.output.status.code(), refused.sum("num_requests")), (Some(1), 0), "{}", refused.text());
    assert!(refused.text().contains(&format!("Nothing is sent: there is no price at {host}")), "{}", refused.text());
}

#[test]
fn compose_file_starts_the_release_of_locust_that_the_tests_use() {
    let compose: Value = serde_yaml::from_str(&read_file("deployment/docker-compose.yml")).unwrap();
    let image = compose["services"]["locust"]["image"].as_str().unwrap();
    let version = image.strip_prefix("locustio/locust:").unwrap();
    assert!(read_file("tests/servers.sh").contains(&format!("locust_version={version} ")), "{image}");
    assert!(read_file("docs/load.md").contains(&format!("locust=={version}`")), "{image}");
}
