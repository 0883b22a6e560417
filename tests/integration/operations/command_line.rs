//! The command lines of the binaries: options, exit codes, error texts, and the file `.env`.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Command, Output, Stdio},
    thread,
};

use common::{
    api::{health::HealthStatus, reports::LevelCounts},
    service::Service,
    time::Timestamp,
};
use serde_json::{Value, json};
use tests::{
    Platform, Stack,
    environment::{binary_path, run_binary},
    platform::SERVICES,
    servers::Port,
};

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

/// Answers every request with this JSON. Returns the address.
fn serve_json(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let head = BufReader::new(&mut connection).lines().map_while(Result::ok);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let _ = write!(connection, "{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    address
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
fn exit_code_of_health_is_that_of_the_platform() {
    for (status, code) in [(HealthStatus::Ok, 0), (HealthStatus::Degraded, 2), (HealthStatus::Failing, 1)] {
        let address = serve_json(health_of(status));
        for arguments in [&["health"][..], &["health", "--json"]] {
            let output = run_buydesk(arguments, &[("HEALTH_CHECK_URL", &address)]);
            assert_eq!(output.status.code(), Some(code), "{status} {arguments:?}: {output:?}");
            assert!(stdout_of(&output).contains(&status.to_string()), "{output:?}");
        }
    }
    let port = Port::reserve();
    let down = run_buydesk(&["health"], &[("HEALTH_CHECK_URL", &port.url())]);
    assert_eq!(down.status.code(), Some(1), "{down:?}");
}

#[test]
fn missing_service_is_named_with_the_next_step() {
    let port = Port::reserve();
    let url = port.url();
    let output = run_buydesk(&["price"], &[("PRICE_CACHE_URL", &url)]);
    let lines = format!(
        "buydesk: price-cache-proxy does not respond at {url}: the connection was refused.\n\
         Is it running? `buydesk up --demo` starts all services. PRICE_CACHE_URL sets another address.\n"
    );
    assert_eq!((output.status.code(), stderr_of(&output)), (Some(1), lines));

    let document = error_document(&run_buydesk(&["--json", "price"], &[("PRICE_CACHE_URL", &url)]));
    assert_eq!(document["code"], "no_response");
    assert!(document["detail"].as_str().unwrap().contains(&url), "{document}");
    assert!(document["next_step"].as_str().unwrap().contains("buydesk up"), "{document}");

    let place = ["--json", "order", "place", "-c", "EUR", "-a", "1", "--key", "my-key"];
    let document = error_document(&run_buydesk(&place, &[("CREATE_ORDER_URL", &url)]));
    assert_eq!((&document["code"], &document["idempotency_key"]), (&"outcome_unknown".into(), &"my-key".into()));
    assert!(document["next_step"].as_str().unwrap().contains("--key my-key"), "{document}");
}

#[test]
fn other_server_is_not_taken_for_a_service() {
    let address = serve_json("<html>".to_owned());
    let output = run_buydesk(&["price"], &[("PRICE_CACHE_URL", &address)]);
    let error = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("buydesk: The response of price-cache-proxy cannot be read: "), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problem_of_a_service_is_shown_as_sentence_or_as_its_json() {
    let platform = Platform::start(Stack::Embedded).await;
    let (orders, create) = (platform.fetch_orders.url(""), platform.create_order.url(""));
    let variables = [("ORDERS_URL", orders.as_str()), ("CREATE_ORDER_URL", create.as_str())];
    let get = ["order", "get", "019ab1c2-0000-7000-8000-000000000001"];
    let error = stderr_of(&run_buydesk(&get, &variables));
    assert!(error.starts_with("buydesk: ") && error.contains("does not exist. (not_found)"), "{error}");
    let place = ["order", "place", "-c", "XXX", "-a", "1"];
    let error = stderr_of(&run_buydesk(&place, &variables));
    assert!(error.starts_with("buydesk: currency") && error.contains("(validation_failed)"), "{error}");

    let document = error_document(&run_buydesk(&["--json", "order", "get", get[2]], &variables));
    assert_eq!((&document["code"], &document["status"]), (&"not_found".into(), &404.into()));
    assert!(document["request_id"].is_string(), "{document}");
}

#[test]
fn invalid_arguments_and_settings_are_json_if_json_is_requested() {
    let output = run_buydesk(&["--json", "order", "buy"], &[]);
    let document = error_document(&output);
    assert_eq!((output.status.code(), &document["code"]), (Some(2), &"invalid_arguments".into()));
    assert!(document["detail"].as_str().unwrap().contains("buy"), "{document}");
    let output = run_buydesk(&["--json", "price"], &[("PRICE_CACHE_URL", "cache")]);
    let document = error_document(&output);
    assert_eq!((output.status.code(), &document["code"]), (Some(1), &"invalid_settings".into()));
    assert!(document["detail"].as_str().unwrap().contains("PRICE_CACHE_URL=\"cache\""), "{document}");
}

#[test]
fn misspelt_setting_of_the_env_file_is_named_with_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "INTERNAL_TOKENS=0123456789abcdef\nBIND_HOSTS=::\n").unwrap();
    let hints =
        ["sets INTERNAL_TOKENS,", "did you mean INTERNAL_TOKEN?", "sets BIND_HOSTS,", "did you mean BIND_HOST?"];
    // A service that does not start because of it.
    let failed = stderr_of(&run_binary(rates::App::NAME, &[], NO_VARIABLES, folder.path()));
    assert_eq!(failed.matches("INTERNAL_TOKEN is not set").count(), 1, "{failed}");
    let alternatives = ["HEALTH_CHECK_TOKEN", "DB_PROXY_TOKEN", "PRICE_CACHE_TOKEN"];
    for part in hints.iter().chain(&alternatives) {
        assert!(failed.contains(part), "{part} is not in: {failed}");
    }
    assert!(!failed.contains("0123456789abcdef"), "{failed}");
    // A command of the client, which reads none of them.
    let address = serve_json(health_of(HealthStatus::Ok));
    let output = run_binary("buydesk", &["health"], [("HEALTH_CHECK_URL", &address)], folder.path());
    let warnings = stderr_of(&output);
    assert!(output.status.success() && hints.iter().all(|hint| warnings.contains(hint)), "{output:?}");
    let output = run_binary("buydesk", &["health", "--json"], [("HEALTH_CHECK_URL", &address)], folder.path());
    for line in stderr_of(&output).lines() {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["code"], "unknown_setting", "{line}");
    }
}

#[test]
fn used_port_is_named_with_the_next_step() {
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
fn reader_that_closes_the_pipe_is_no_error() {
    let address = serve_json(health_of(HealthStatus::Ok));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary_path("buydesk"));
    command.arg("health").env_clear().env("HEALTH_CHECK_URL", &address).current_dir(folder.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr_of(&output)), (Some(0), String::new()));
}
