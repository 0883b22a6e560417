//! The command lines of the binaries: options, exit codes, error texts, and the file `.env`.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::ffi::OsStrExt,
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use common::{
    api::{health::HealthStatus, reports::LevelCounts},
    service::Service,
    time::Timestamp,
};
use serde_json::{Value, json};
use tests::{
    Platform, Stack,
    buydesk_up::BuydeskUp,
    environment::{binary_path, run_binary},
    platform::SERVICES,
    servers::Port,
    wait_until,
};

/// Maximum time until the first heartbeats arrive.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(20);
const NO_VARIABLES: [(&str, &str); 0] = [];

fn run_buydesk(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    run_binary("buydesk", arguments, variables.iter().copied(), tempfile::tempdir().unwrap().path())
}

fn stdout_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The JSON document on standard error of a command that failed.
#[track_caller]
fn error_document(output: &Output) -> Value {
    assert_eq!(stdout_of(output), "");
    assert!(!output.status.success());
    let error = stderr_of(output);
    serde_json::from_str(&error).unwrap_or_else(|_| panic!("not one JSON document: {error}"))
}

/// Starts a server that responds to all requests with this body, and returns the URL of the server.
fn serve_json(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&mut connection).lines().map_while(Result::ok);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let _ = write!(connection, "{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    url
}

fn health_of(status: HealthStatus) -> String {
    let counts = LevelCounts::default();
    let empty: [Value; 0] = [];
    json!({ "status": status, "at": Timestamp::now(), "services": empty, "infrastructure": empty, "reports_last_hour": counts })
        .to_string()
}

#[test]
fn every_service_has_help_and_version_and_refuses_unknown_options() {
    let folder = tempfile::tempdir().unwrap();
    for service in SERVICES {
        let help = run_binary(service, &["--help"], NO_VARIABLES, folder.path());
        assert!(help.status.success() && stdout_of(&help).contains("--check"), "{service}: {help:?}");
        assert_eq!(stdout_of(&help).contains("--migrate"), service == db_proxy::App::NAME);
        let version = run_binary(service, &["--version"], NO_VARIABLES, folder.path());
        assert!(version.status.success(), "{service}: {version:?}");
        assert!(stdout_of(&version).starts_with(&format!("{service} ")), "{service}: {version:?}");
        for arguments in [&["--checks"][..], &["serve"], &["--check", "--openapi"]] {
            let refused = run_binary(service, arguments, NO_VARIABLES, folder.path());
            assert_eq!(refused.status.code(), Some(2), "{service} {arguments:?}: {refused:?}");
            assert!(stderr_of(&refused).contains(arguments[0]), "{service} {arguments:?}: {refused:?}");
        }
    }
}

#[test]
fn argument_that_is_not_utf8_is_named_as_an_invalid_argument() {
    let invalid = OsStr::from_bytes(b"ada\xe9");
    for arguments in [&["order", "list"][..], &["order", "get"], &[]] {
        let command = || {
            let mut command = Command::new(binary_path("buydesk"));
            command.args(arguments).arg(invalid).env_clear().stdin(Stdio::null());
            command
        };
        let refused = command().output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(stderr_of(&refused).starts_with(r#"buydesk: The argument "ada\xe9" is not UTF-8."#), "{refused:?}");
        let refused = command().arg("--json").output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert_eq!(error_document(&refused)["code"], "invalid_arguments");
    }
}

#[test]
fn setting_that_is_not_utf8_is_named_by_services_and_commands() {
    let cases = [
        (
            "rates",
            &[][..],
            "RATES_PORT",
            &b"80\xff"[..],
            r#"RATES_PORT="80\xff" is not allowed; it must be text in UTF-8"#,
        ),
        ("db-proxy", &[], "DATABASE_URL", b"sqlite:\xff.db", r#"DATABASE_URL="sqlite:\xff.db" is not allowed; "#),
        ("buydesk", &["up"], "DATABASE_URL", b"sqlite:\xff.db", r#"DATABASE_URL="sqlite:\xff.db" is not allowed; "#),
        ("buydesk", &["price"], "BUYDESK_URL", b"http://\xff", r#"BUYDESK_URL="http://\xff" is not allowed; "#),
        ("buydesk", &["price"], "BUYDESK_API_KEY", b"horse\xff", r#"BUYDESK_API_KEY="***" is not allowed; "#),
    ];
    for (binary, arguments, name, value, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary_path(binary));
        command.args(arguments).env_clear().stdin(Stdio::null()).current_dir(folder.path());
        command.env(name, OsStr::from_bytes(value)).env("GREETING", OsStr::from_bytes(b"gr\xfc\xdf"));
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(stderr_of(&refused).contains(expected), "{expected} is not in: {refused:?}");
        assert!(!stderr_of(&refused).contains("GREETING"), "{refused:?}");
        assert!(folder.path().read_dir().unwrap().next().is_none(), "{binary} {arguments:?} created a file");
    }
}

#[test]
fn health_exits_with_0_if_ok_1_if_not_and_2_if_unreachable() {
    for (status, code) in [(HealthStatus::Ok, 0), (HealthStatus::Degraded, 1), (HealthStatus::Failing, 1)] {
        let url = serve_json(health_of(status));
        for arguments in [&["health"][..], &["health", "--json"], &["health", "--health-check", &url]] {
            let output = run_buydesk(arguments, &[("HEALTH_CHECK_URL", &url)]);
            assert_eq!(output.status.code(), Some(code), "{status} {arguments:?}: {output:?}");
            assert!(stdout_of(&output).lines().next().unwrap().contains(&status.to_string()), "{output:?}");
        }
    }
    let port = Port::reserve();
    for url in [&port.url(), "health"] {
        for arguments in [&["health"][..], &["health", "--json"]] {
            let unknown = run_buydesk(arguments, &[("HEALTH_CHECK_URL", url)]);
            assert_eq!(unknown.status.code(), Some(2), "{url} {arguments:?}: {unknown:?}");
        }
    }
}

#[test]
fn unreachable_service_is_named_with_the_next_step() {
    let port = Port::reserve();
    let url = port.url();
    // The command in the hint can be run unchanged.
    let program = binary_path("buydesk").display().to_string();
    let lines = format!(
        "buydesk: create-order does not respond at {url}: the connection was refused.\n\
         Is it running? `{program} up --demo` starts all services. --server or BUYDESK_URL sets another address.\n"
    );
    for command in [&["price"][..], &["rates"], &["order", "list"], &["convert", "1", "BTC", "EUR"]] {
        let output = run_buydesk(command, &[("BUYDESK_URL", &url)]);
        assert_eq!((output.status.code(), stderr_of(&output)), (Some(1), lines.clone()), "{command:?}");
    }

    let document = error_document(&run_buydesk(&["--json", "price", "--server", &url], &[]));
    assert_eq!(document["code"], "no_response");
    assert!(document["detail"].as_str().unwrap().contains(&url), "{document}");
    assert!(document["next_step"].as_str().unwrap().contains("buydesk up"), "{document}");

    let place = ["--json", "order", "place", "-c", "EUR", "-a", "1", "--key", "my-key"];
    let document = error_document(&run_buydesk(&place, &[("CREATE_ORDER_URL", &url)]));
    assert_eq!((&document["code"], &document["idempotency_key"]), (&"outcome_unknown".into(), &"my-key".into()));
    assert!(document["next_step"].as_str().unwrap().contains("--key my-key"), "{document}");
}

#[test]
fn response_of_another_server_is_reported_with_its_url() {
    let url = serve_json("<html>".to_owned());
    let output = run_buydesk(&["price"], &[("BUYDESK_URL", &url)]);
    let error = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let expected = format!("buydesk: {url} is not create-order of Buydesk: it responded with status 200 OK ");
    assert!(error.starts_with(&expected), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problem_of_a_service_is_shown_as_a_sentence_or_as_json() {
    let platform = Platform::start(Stack::Embedded).await;
    let server = platform.create_order.url("");
    let variables = [("BUYDESK_URL", server.as_str())];
    let get = ["order", "get", "019ab1c2-0000-7000-8000-000000000001"];
    let error = stderr_of(&run_buydesk(&get, &variables));
    assert!(error.starts_with("buydesk: ") && error.contains("does not exist. (not_found)"), "{error}");
    // The error names the options of the command and not the fields of the API.
    let place = ["order", "place", "-c", "XXX", "--bitcoin", "0"];
    let error = stderr_of(&run_buydesk(&place, &variables));
    assert!(error.starts_with("buydesk: --currency must be one of EUR, GBP, USD, but is "), "{error}");
    assert!(error.trim_end().ends_with("(validation_failed)\nNo order was placed."), "{error}");
    let error = stderr_of(&run_buydesk(&["order", "list", "--currency", "EURO"], &variables));
    let expected = "buydesk: --currency must be one of EUR, GBP, USD, but is \"EURO\" (did you mean EUR?)";
    assert!(error.starts_with(expected), "{error}");
    let list = ["order", "list", "--min-amount", "2", "--max-amount", "1"];
    let error = stderr_of(&run_buydesk(&list, &variables));
    assert!(error.contains("--min-amount ") && !error.contains("min_amount:"), "{error}");

    let document = error_document(&run_buydesk(&["--json", "order", "get", get[2]], &variables));
    assert_eq!((&document["code"], &document["status"]), (&"not_found".into(), &404.into()));
    assert!(document["request_id"].is_string(), "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_fails_while_db_proxy_is_stopped() {
    let platform = Platform::start(Stack::Embedded).await;
    platform.db_proxy.stop().await;
    let server = platform.create_order.url("");
    let place = ["--json", "order", "place", "-c", "EUR", "-a", "1"];
    let document = error_document(&run_buydesk(&place, &[("BUYDESK_URL", &server)]));
    assert_eq!((&document["code"], &document["status"]), (&"upstream_unavailable".into(), &503.into()));
    assert!(document["detail"].as_str().unwrap().starts_with("No order was placed, because "), "{document}");
    assert!(document["request_id"].is_string(), "{document}");
    // An earlier command with this idempotency key possibly placed the order.
    let place = [&place[..], &["--key", "my-key"]].concat();
    let document = error_document(&run_buydesk(&place, &[("BUYDESK_URL", &server)]));
    assert_eq!(document["code"], "outcome_unknown");
}

#[test]
fn command_with_refused_arguments_exits_with_2() {
    let repeated = ["order", "place", "-c", "EUR", "-a", "1", "-m", "cart=7", "-m", "cart=8"];
    for arguments in [&repeated[..], &["--server", "http://127.0.0.1:8001", "up"]] {
        let output = run_buydesk(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
}

/// After an exit code from 1 to 125 of `restore_command`, PostgreSQL ends the recovery as if the archive ended.
#[test]
fn invalid_command_line_of_a_restore_command_stops_the_recovery() {
    for arguments in [&["backup", "fetch-wal", "--frm", "/archive"][..], &["--server", "x", "backup", "fetch-wal"]] {
        let output = run_buydesk(arguments, &[]);
        assert_eq!(output.status.code(), Some(126), "{arguments:?}: {output:?}");
    }
}

#[test]
fn errors_of_arguments_and_settings_are_json_if_requested() {
    let output = run_buydesk(&["--json", "order", "buy"], &[]);
    let document = error_document(&output);
    assert_eq!((output.status.code(), &document["code"]), (Some(2), &"invalid_arguments".into()));
    assert!(document["detail"].as_str().unwrap().contains("buy"), "{document}");
    let document = error_document(&run_buydesk(&["--json", "order", "places"], &[]));
    assert_eq!(document["tip"], "a similar subcommand exists: 'place'", "{document}");
    // One error names all unknown options and invalid values.
    let faults = ["order", "list", "--frm", "2026-01-02T03:04:05Z", "--limit", "0", "--min-amount=x", "--refrence=a"];
    let named = ["--frm", "--limit", "--min-amount", "--refrence"];
    let output = run_buydesk(&[&["--json"], &faults[..]].concat(), &[]);
    let document = error_document(&output);
    assert_eq!((output.status.code(), &document["code"]), (Some(2), &"invalid_arguments".into()));
    assert!(document["next_step"].as_str().unwrap().contains("--help"), "{document}");
    let text = stderr_of(&run_buydesk(&faults, &[]));
    for name in named {
        assert!(document["detail"].as_str().unwrap().contains(name) && text.contains(name), "{document}: {text}");
    }
    for tip in ["'--from'", "'--reference'"] {
        assert!(document["tip"].as_str().unwrap().contains(tip) && text.contains(tip), "{document}: {text}");
    }
    assert_eq!((text.matches("Usage: ").count(), text.matches("try '--help'").count()), (1, 1), "{text}");
    let output = run_buydesk(&["--json", "price"], &[("BUYDESK_URL", "shop")]);
    let document = error_document(&output);
    assert_eq!((output.status.code(), &document["code"]), (Some(1), &"invalid_settings".into()));
    assert!(document["detail"].as_str().unwrap().contains("BUYDESK_URL=\"shop\""), "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_url_suffices_for_orders_quotes_prices_and_conversions() {
    let platform = BuydeskUp::start(&[]).await;
    let server = format!("http://{}", platform.address(create_order::App::NAME));
    let run = |command: &str| {
        let arguments: Vec<_> = ["--server", &server].into_iter().chain(command.split(' ')).collect();
        let output = run_buydesk(&arguments, &[]);
        assert!(output.status.success(), "{command}: {output:?}");
        stdout_of(&output)
    };
    run("order place -c EUR -a 69 -r invoice-42 -m cart=7");
    run("order place -c EUR -a 1");
    let order = run("order list --reference invoice-42 --limit 1");
    assert!(order.contains("invoice-42") && !order.contains("More orders"), "{order}");
    let first = run("order list --limit 1");
    // The command in the hint can be run unchanged.
    let next = first.lines().last().unwrap().strip_prefix("More orders: ").unwrap_or_else(|| panic!("{first}"));
    let program = format!("{} --server {server} ", binary_path("buydesk").display());
    let next = run(next.strip_prefix(&program).unwrap_or_else(|| panic!("{next}")));
    assert!(next.contains("invoice-42") && !next.contains("More orders"), "{next}");

    let prices = run("price");
    assert!(prices.contains("EUR") && prices.contains("SIMULATED") && prices.contains("accepted"), "{prices}");
    let prices: Value = serde_json::from_str(&run("price --json")).unwrap();
    assert_eq!((&prices["orders_accepted"], &prices["prices"]["EUR"]["state"]), (&true.into(), &"fresh".into()));
    assert!(!prices["prices"]["EUR"]["sources"].as_array().unwrap().is_empty(), "{prices}");
    assert!(run("rates --exchangers kraken").contains("kraken"));
    assert!(run("convert 1 BTC EUR").contains("1 BTC = "));
    assert!(run("quote create -c EUR -a 5").contains("To take the quote: "));

    let health_check = format!("http://{}", platform.address(health_check::App::NAME));
    wait_until("health reports that orders are accepted", HEARTBEAT_LIMIT, async || {
        let health = stdout_of(&run_buydesk(&["health", "--health-check", &health_check], &[]));
        health.lines().next()?.ends_with(": orders are accepted").then_some(())
    })
    .await;
    platform.stop().await;
}

#[test]
fn empty_list_of_courses_is_explained() {
    let empty = serve_json("[]".to_owned());
    let all = stdout_of(&run_buydesk(&["rates"], &[("BUYDESK_URL", &empty)]));
    assert!(all.starts_with("No exchange has reported a course yet.") && all.contains("health"), "{all}");
    let filtered = stdout_of(&run_buydesk(&["rates", "--coins-from", "ETH"], &[("BUYDESK_URL", &empty)]));
    assert_eq!(filtered, "No course matches the filters.\n");
}

#[test]
fn misspelt_setting_of_the_env_file_is_named_with_the_nearest_setting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "INTERNAL_TOKENS=0123456789abcdef\nBIND_HOSTS=::\n").unwrap();
    let hints =
        ["sets INTERNAL_TOKENS,", "did you mean INTERNAL_TOKEN?", "sets BIND_HOSTS,", "did you mean BIND_HOST?"];
    // `rates` does not start, because a required setting is misspelt.
    let failed = stderr_of(&run_binary(rates::App::NAME, &[], NO_VARIABLES, folder.path()));
    assert_eq!(failed.matches("INTERNAL_TOKEN is not set").count(), 1, "{failed}");
    let alternatives = ["HEALTH_CHECK_TOKEN", "DB_PROXY_TOKEN", "PRICE_CACHE_TOKEN"];
    for part in hints.iter().chain(&alternatives) {
        assert!(failed.contains(part), "{part} is not in: {failed}");
    }
    assert!(!failed.contains("0123456789abcdef"), "{failed}");
    // `buydesk health` reads none of the misspelt settings, so it only warns.
    let url = serve_json(health_of(HealthStatus::Ok));
    let output = run_binary("buydesk", &["health"], [("HEALTH_CHECK_URL", &url)], folder.path());
    let warnings = stderr_of(&output);
    assert!(output.status.success() && hints.iter().all(|hint| warnings.contains(hint)), "{output:?}");
    let output = run_binary("buydesk", &["health", "--json"], [("HEALTH_CHECK_URL", &url)], folder.path());
    for line in stderr_of(&output).lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["code"], "unknown_setting", "{line}");
    }
}

#[test]
fn invalid_lines_and_invalid_settings_of_the_env_file_are_named_together() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "RATES_PORT=many\nINTERNAL_TOKEN=correct horse\nno setting\nBIND_HOST=nowhere\nRATES_PORTS=1\nLOG_FORMAT='battery\n";
    std::fs::write(folder.path().join(".env"), lines).unwrap();
    let error = stderr_of(&run_binary(rates::App::NAME, &[], NO_VARIABLES, folder.path()));
    let faults = [
        "line 2 with INTERNAL_TOKEN of ",
        "line 3 of ",
        "line 6 with LOG_FORMAT of ",
        "RATES_PORT=\"many\"",
        "BIND_HOST=\"nowhere\"",
    ];
    for part in faults.iter().chain(&["did you mean RATES_PORT?"]) {
        assert_eq!(error.matches(part).count(), 1, "{part} must appear one time in: {error}");
    }
    assert!(!error.contains("INTERNAL_TOKEN is not set"), "{error}");
    for secret in ["correct", "horse", "no setting", "battery"] {
        assert!(!error.contains(secret), "{secret} is in: {error}");
    }
    let documents = stderr_of(&run_binary("buydesk", &["--json", "price"], NO_VARIABLES, folder.path()));
    let codes = documents.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["code"].clone());
    assert_eq!(codes.collect::<Vec<_>>(), ["unknown_setting", "invalid_settings"], "{documents}");
}

#[test]
fn port_in_use_is_named_with_the_next_step() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let variables = [("RATES_PORT", port.as_str()), ("INTERNAL_TOKEN", "0123456789abcdef")];
    let output = run_binary(rates::App::NAME, &[], variables, tempfile::tempdir().unwrap().path());
    let error = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("another program"), "{error}");
    assert!(error.contains("RATES_PORT") && !error.contains("os error"), "{error}");
}

#[test]
fn check_of_a_service_that_does_not_run_names_its_url() {
    let port = Port::reserve();
    let number = port.url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let output =
        run_binary(rates::App::NAME, &["--check"], [("RATES_PORT", &number)], tempfile::tempdir().unwrap().path());
    let expected =
        format!("rates: rates does not respond at http://127.0.0.1:{number}/readyz: the connection was refused\n");
    assert_eq!((output.status.code(), stderr_of(&output)), (Some(1), expected));
}

#[test]
fn closed_pipe_of_standard_output_causes_no_error() {
    let url = serve_json(health_of(HealthStatus::Ok));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary_path("buydesk"));
    command.arg("health").env_clear().env("HEALTH_CHECK_URL", &url).current_dir(folder.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr_of(&output)), (Some(0), String::new()));
}
