//! Settings that take effect without a restart, and the file that contains them.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use common::{
    config::{LiveSetting, port_variable},
    service::Service,
    telemetry,
};
use serde_json::Value;
use tempfile::TempDir;
use tests::{
    Platform, Stack,
    buydesk_up::BuydeskUp,
    client::{Client, Response, send},
    environment::binary_path,
    platform::{SERVICES, order, reserve_ports},
    servers::send_signal,
    wait_until,
};

use super::settings::{read_file, variables_by_service};

/// How long a change may take to have an effect.
const LIMIT: Duration = Duration::from_secs(20);

/// Replaces a file by a rename, as editors do.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, file).unwrap();
}

/// `buydesk up --demo` with a file `.env`.
struct Up {
    platform: BuydeskUp,
    client: Client,
}

impl Up {
    async fn start(file: &str, settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(".env"), file).unwrap();
        let platform = BuydeskUp::start_in(folder, settings).await;
        let client = Client::new(platform.token.clone());
        Self { platform, client }
    }

    fn file(&self) -> PathBuf {
        self.platform.folder().join(".env")
    }

    fn url(&self, service: &str, path: &str) -> String {
        format!("http://{}{path}", self.platform.address(service))
    }

    /// The newest report that contains `text`.
    async fn report(&self, text: &str) -> Value {
        let url = self.url(health_check::App::NAME, &format!("/api/v1/reports?text={text}"));
        wait_until(&format!("a report contains {text}"), LIMIT, async || {
            self.client.get(&url).await.json(200)["data"].as_array().unwrap().first().cloned()
        })
        .await
    }

    async fn place(&self, currency: &str, amount: &str) -> Response {
        let url = self.url(create_order::App::NAME, "/api/v1/orders");
        send(Client::new("").json(url, order(currency, amount))).await
    }

    async fn wait_for_status(&self, status: u16, currency: &str, amount: &str) -> Response {
        wait_until(&format!("an order of {amount} {currency} is answered with {status}"), LIMIT, async || {
            let response = self.place(currency, amount).await;
            (response.status == status).then_some(response)
        })
        .await
    }

    /// Waits until the rate limit of orders has this value, in requests per minute.
    async fn wait_for_rate_limit(&self, per_minute: &str) {
        wait_until(&format!("{per_minute} orders per minute are allowed"), LIMIT, async || {
            (self.place("EUR", "1").await.header("ratelimit-limit") == Some(per_minute)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn changed_file_takes_effect_in_the_running_process_and_is_reported() {
    let up = Up::start("RATE_LIMIT_PER_MINUTE=1000\n", &[]).await;
    up.wait_for_rate_limit("1000").await;
    replace(&up.file(), "RATE_LIMIT_PER_MINUTE=2000\nLOG_LEVEL=debug\n");
    up.wait_for_rate_limit("2000").await;
    let report = up.report("RATE_LIMIT_PER_MINUTE").await;
    let fields = &report["data"]["fields"];
    assert_eq!((&fields["old"], &fields["new"]), (&"1000".into(), &"2000".into()), "{report}");
    let origin = fields["origin"].as_str().unwrap();
    assert!(origin.starts_with("file .env of user id ") && report["level"] == "info", "{report}");
    assert_eq!(up.report("LOG_LEVEL").await["data"]["fields"]["old"], "info (default)");
    // The file is written in place. Without the setting in the file, the default applies.
    fs::write(up.file(), "# no settings\n").unwrap();
    up.wait_for_rate_limit("60").await;
    fs::write(up.file(), "RATE_LIMIT_PER_MINUTE=70\n").unwrap();
    up.wait_for_rate_limit("70").await;
    fs::remove_file(up.file()).unwrap();
    up.report("does%20not%20exist").await;
    up.wait_for_rate_limit("70").await;
    assert!(up.platform.stop().await.success());
}

#[tokio::test]
async fn invalid_value_prevents_the_whole_change_and_each_reason_is_reported() {
    let up = Up::start("ORDER_MAX_AMOUNT=EUR:100\nRATE_LIMIT_PER_MINUTE=1000\n", &[]).await;
    up.wait_for_status(422, "EUR", "200").await;
    replace(&up.file(), "ORDER_MAX_AMOUNT=EUR:300\nRATE_LIMIT_PER_MINUTE=many\nPRICE_TTL_SECS=0\n");
    let report = up.report("refused").await;
    let reasons = report["data"]["fields"]["reasons"].as_str().unwrap();
    assert_eq!(report["level"], "error");
    assert!(reasons.contains("RATE_LIMIT_PER_MINUTE=\"many\" is not allowed"), "{reasons}");
    assert!(reasons.contains("PRICE_TTL_SECS=\"0\" is not allowed"), "{reasons}");
    let refused = up.place("EUR", "200").await;
    assert_eq!((refused.status, refused.header("ratelimit-limit")), (422, Some("1000")));
    replace(&up.file(), "ORDER_MAX_AMOUNT=EUR:300\nRATE_LIMIT_PER_MINUTE=900\n");
    let placed = up.wait_for_status(201, "EUR", "200").await;
    assert_eq!(placed.header("ratelimit-limit"), Some("900"));
    assert!(up.platform.stop().await.success());
}

#[tokio::test]
async fn currencies_and_price_sources_change_without_a_restart() {
    let up = Up::start("RATE_LIMIT_PER_MINUTE=0\n", &[("PRICE_REFRESH_SECS", "1"), ("COURSE_REFRESH_SECS", "1")]).await;
    up.wait_for_status(422, "CHF", "5").await;
    replace(&up.file(), "RATE_LIMIT_PER_MINUTE=0\nCURRENCIES=EUR,CHF\nPRICE_SOURCES=kraken,coinbase,ecb\n");
    up.wait_for_status(201, "CHF", "5").await;
    let refused = up.place("USD", "5").await;
    assert!(refused.status == 422 && refused.text().contains("EUR, CHF"), "{}", refused.description());
    let source_order = up.client.get_internal(up.url(price_updater::App::NAME, "/sources/order")).await.json(200);
    assert_eq!(source_order["sources"], serde_json::json!(["kraken", "coinbase", "ecb"]));
    up.wait_for_status(201, "EUR", "5").await;
    fs::write(up.file(), "RATE_LIMIT_PER_MINUTE=0\n").unwrap();
    up.wait_for_status(201, "USD", "5").await;
    assert!(up.platform.stop().await.success());
}

#[tokio::test]
async fn change_without_effect_is_reported_with_its_reason() {
    let up = Up::start("BTC_LIMIT=100\n", &[("RATE_LIMIT_PER_MINUTE", "1000")]).await;
    replace(&up.file(), "BTC_LIMIT=5\nRATE_LIMIT_PER_MINUTE=7\nMAX_CONNECTIONS=900\n");
    for (text, reason) in [
        ("BTC_LIMIT", "limit set` changes the limit of all orders immediately"),
        ("RATE_LIMIT_PER_MINUTE", "the environment variable RATE_LIMIT_PER_MINUTE overrides the file"),
        ("MAX_CONNECTIONS", "takes effect at the next start"),
    ] {
        let report = up.report(text).await;
        assert!(report["status"].as_str().unwrap().contains(reason), "{report}");
    }
    up.wait_for_rate_limit("1000").await;
    assert!(up.platform.stop().await.success());
}

/// In a mounted `ConfigMap` of Kubernetes, the file is a symbolic link into the folder `..data`. Each new version replaces
/// `..data`, which is also a symbolic link.
#[tokio::test]
async fn changed_config_map_takes_effect_and_sighup_reads_the_file_again() {
    let mount = TempDir::new().unwrap();
    let path = |name: &str| mount.path().join(name);
    let publish = |version: &str, text: &str| {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("live.env"), text).unwrap();
        symlink(version, path("..new")).unwrap();
        fs::rename(path("..new"), path("..data")).unwrap();
    };
    publish("..1", "ORDER_MAX_AMOUNT=EUR:100\n");
    symlink("..data/live.env", path("live.env")).unwrap();
    let builder = Platform::builder(Stack::Embedded).set("SETTINGS_FILE", path("live.env").to_str().unwrap());
    let platform = builder.in_processes().start().await;
    platform.health_check.start().await;
    let place = async |amount: &str| send(platform.order_request(order("EUR", amount))).await.status;
    assert_eq!(place("200").await, 422);
    publish("..2", "ORDER_MAX_AMOUNT=EUR:200\n");
    wait_until("the new maximum is in effect", LIMIT, async || (place("200").await == 201).then_some(())).await;
    send_signal("HUP", &[platform.create_order.process_id().await]);
    let url = platform.health_check.url("/api/v1/reports?service=create-order&text=without%20a%20restart");
    let report = wait_until("the signal is reported", LIMIT, async || {
        platform.client.get(&url).await.json(200)["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert!(report["data"]["fields"]["origin"].as_str().unwrap().starts_with("SIGHUP; file /"), "{report}");
    assert_eq!(place("200").await, 201);
}

#[test]
fn settings_file_that_is_absent_or_a_folder_is_an_error_at_the_start() {
    let folder = TempDir::new().unwrap();
    for (file, expected) in [
        ("/no/such/file", "SETTINGS_FILE names the file /no/such/file, which does not exist"),
        ("/", "the settings file / cannot be read: it is a folder; replace it with a file"),
    ] {
        let mut command = Command::new(binary_path("create-order"));
        command.env_clear().env("SETTINGS_FILE", file).current_dir(folder.path());
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains(expected), "{error}");
    }
}

/// `script` runs a command in a new terminal. The terminal closes when `script` is killed.
#[tokio::test]
async fn process_stops_when_its_terminal_is_closed() {
    let folder = TempDir::new().unwrap();
    let ports = reserve_ports();
    let variables = ports.iter().map(|(name, port)| (port_variable(name), port.number.to_string()));
    let program = format!("exec {} up --demo", binary_path("buydesk").display());
    let mut command = Command::new("script");
    command.args(["--quiet", "--command", &program, "/dev/null"]).env_clear().envs(variables);
    command.env("SHELL", "/bin/sh").current_dir(folder.path());
    let mut terminal = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (client, url) = (Client::new(""), ports[health_check::App::NAME].url() + "/livez");
    let is_up = async || client.request("GET", &url).send().await.is_ok();
    wait_until("the process responds", LIMIT, async || is_up().await.then_some(())).await;
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    wait_until("the process stops", LIMIT, async || (!is_up().await).then_some(())).await;
}

/// The settings below a line `# [live]` of `.env.example`.
fn marked_settings() -> BTreeSet<String> {
    let (mut marked, mut is_marked) = (BTreeSet::new(), false);
    for line in read_file(".env.example").lines() {
        match line.strip_prefix('#').and_then(|line| line.split_once('=')) {
            Some((name, _)) if !name.starts_with(' ') => drop(is_marked.then(|| marked.insert(name.to_owned()))),
            _ => is_marked = line == "# [live]",
        }
    }
    marked
}

#[test]
fn env_example_marks_exactly_the_settings_that_take_effect_without_a_restart() {
    fn names<S: Service>() -> (&'static str, BTreeSet<&'static str>) {
        let settings = S::LIVE_SETTINGS.iter().chain(telemetry::LIVE_SETTINGS);
        (S::NAME, settings.map(|setting: &LiveSetting| setting.name).collect())
    }
    let live_by_service = [
        names::<create_order::App>(),
        names::<db_proxy::App>(),
        names::<exchange_sim::App>(),
        names::<fetch_orders::App>(),
        names::<health_check::App>(),
        names::<price_cache_proxy::App>(),
        names::<price_updater::App>(),
        names::<rates::App>(),
        names::<users::App>(),
        names::<wallets::App>(),
    ];
    let live: BTreeSet<_> = live_by_service.iter().flat_map(|(_, live)| live).map(|&name| name.to_owned()).collect();
    assert_eq!(marked_settings(), live);
    // A mark applies to every service that reads the setting.
    let variables = variables_by_service();
    for (service, live_of_service) in live_by_service {
        for name in variables[service].iter().filter(|name| live.contains(*name)) {
            assert!(live_of_service.contains(name.as_str()), "{service} reads {name} only at its start");
        }
        for name in live_of_service {
            assert!(variables[service].contains(name), "{service} does not read {name}");
        }
    }
    assert_eq!(SERVICES.len(), variables.len());
}
