//! `buydesk load` against `buydesk up --demo`, and against platforms that are no demo.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

use common::time::Timestamp;
use serde_json::{Value, json};
use tests::{buydesk_up::BuydeskUp, environment::run_binary, platform::OPERATOR_TOKEN, terminal::Terminal};

/// No rate limit applies to orders and to reads of orders. Operators use [`OPERATOR_TOKEN`].
const UNLIMITED: [(&str, &str); 3] =
    [("RATE_LIMIT_PER_MINUTE", "0"), ("FETCH_RATE_LIMIT_PER_MINUTE", "0"), ("OPERATOR_TOKEN", OPERATOR_TOKEN)];

/// Asserts that a report has responses and no failure.
#[track_caller]
fn assert_succeeded(report: &Value) {
    assert!(report["responses"].as_u64().unwrap() > 5, "{report}");
    assert_eq!(
        (&report["failed"], &report["failures"], &report["notes"]),
        (&json!(0), &json!([]), &json!([])),
        "{report}"
    );
    let latency = &report["latency_us"];
    assert!(latency["p50"].as_u64().unwrap() > 0 && latency["p50"].as_u64() <= latency["max"].as_u64(), "{report}");
}

/// Asserts that every acknowledged change was looked up and found.
#[track_caller]
fn assert_checked(report: &Value) {
    let check = &report["check"];
    let acknowledged = check["acknowledged"].as_u64().unwrap();
    assert_eq!((check["looked_up"].as_u64(), check["violations"].as_u64()), (Some(acknowledged), Some(0)), "{check}");
    let sent = report["responses"].as_u64().unwrap() + report["warm_up"]["responses"].as_u64().unwrap();
    assert_eq!((acknowledged, check["unresolved"].as_u64()), (sent, Some(0)), "{check}");
    assert!((1..=20).contains(&check["repeated"].as_u64().unwrap()), "{check}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_of_orders_wallets_and_reads_is_sent_measured_and_checked() {
    let platform = BuydeskUp::start(&UNLIMITED).await;
    let customer = Terminal::new(&platform, None);

    let orders = customer.json("load orders --connections 4 --duration 1s --warm-up 500ms");
    assert_succeeded(&orders);
    assert_checked(&orders);
    assert_eq!((&orders["plan"]["model"], &orders["plan"]["simulated"]), (&json!("closed"), &json!(true)));
    assert!(orders["warm_up"]["responses"].as_u64().unwrap() > 0, "{orders}");

    let open = customer.json("load orders --rate 40 --duration 1500ms --check sample");
    assert_succeeded(&open);
    assert_checked(&open);
    assert_eq!((&open["responses"], &open["schedule"]["planned"]), (&json!(60), &json!(60)));

    let wallets = customer.json("load wallets --wallets 3 --connections 4 --duration 1s");
    assert_succeeded(&wallets);
    assert_checked(&wallets);
    let operations = wallets["operations"].as_array().unwrap();
    assert!(operations.iter().all(|operation| operation["responses"].as_u64().unwrap() > 0), "{operations:?}");

    let reads = customer.run("load reads --connections 4 --duration 1s");
    for part in ["Load of reads at", "(SIMULATED): closed model, 4 connections, 1 s", "single order", "as expected"] {
        assert!(reads.contains(part), "{part} is not in:\n{reads}");
    }
    let operator = Terminal::new(&platform, Some(("OPERATOR_TOKEN", OPERATOR_TOKEN)));
    operator.run("load orders --connections 2 --duration 500ms");
    let invalid = customer.fail_with(2, "load orders --amount 0 --duration 1s");
    assert!(invalid.contains("the load was not started: ") && invalid.contains("must be greater than 0"), "{invalid}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_above_a_rate_limit_fails_and_names_the_setting() {
    let platform = BuydeskUp::start(&[("RATE_LIMIT_PER_MINUTE", "5"), ("RATES_RATE_LIMIT_PER_MINUTE", "5")]).await;
    let output = Terminal::new(&platform, None).output("load orders --rate 50 --duration 3s --check none");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (text, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for part in ["too_many_requests", "A rate limit was exceeded: ", "RATE_LIMIT_PER_MINUTE=0", "OPERATOR_TOKEN"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(progress.lines().any(|line| line.contains("p99") && line.contains("in flight")), "{progress}");
    // rates ignores credentials, so the operator token is no remedy.
    let operator = Terminal::new(&platform, Some(("OPERATOR_TOKEN", OPERATOR_TOKEN)));
    let prices = String::from_utf8(operator.output("load prices --rate 50 --duration 1s").stdout).unwrap();
    assert!(prices.contains("Start the platform with RATES_RATE_LIMIT_PER_MINUTE=0.\n"), "{prices}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_of_price_loads_are_compared_and_load_of_users_needs_an_operator() {
    let platform = BuydeskUp::start(&UNLIMITED).await;
    let operator = Terminal::new(&platform, Some(("OPERATOR_TOKEN", OPERATOR_TOKEN)));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (page, first, second) = (file("page.html"), file("first.json"), file("second.json"));

    let prices = operator.run(&format!("load prices -c 2 -d 5s --report {page} --report {first}"));
    for part in ["Load of prices at", "conversion", "all courses", "Every response was as expected."] {
        assert!(prices.contains(part), "{part} is not in:\n{prices}");
    }
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("Load of prices at"), "{html}");
    assert_eq!(html.matches("<svg").count(), 3);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&first).unwrap()).unwrap();
    assert_succeeded(&report);
    let seconds = report["seconds"].as_array().unwrap().len();
    assert!(seconds >= 5, "{seconds}");

    operator.run(&format!("load prices -c 2 -d 500ms --report {second}"));
    let same = operator.run(&format!("load compare {first} {first}"));
    assert!(same.contains("within noise") && same.contains("1.00"), "{same}");
    let short = operator.json(&format!("load compare {first} {second}"));
    assert_eq!(short["measures"][0]["difference"], "too_short", "{short}");
    assert!(operator.fail(&format!("load compare {first} {page}")).contains("is not a report of `buydesk load`"));

    let users = operator.json("load users -c 2 -d 1s");
    assert_succeeded(&users);
    let operations = users["operations"].as_array().unwrap();
    assert!(operations.iter().all(|operation| operation["responses"].as_u64().unwrap() > 0), "{operations:?}");
    let refused = Terminal::new(&platform, None).fail("load users -d 1s");
    assert!(refused.contains("Only operators create users."), "{refused}");
    let unwritable = operator.fail("load prices -d 1s --report /no-such-folder/report.html");
    assert_eq!(
        unwritable.trim_end(),
        "buydesk: The report /no-such-folder/report.html cannot be written: the folder /no-such-folder does not exist.\nCreate the \
         folder, or name another file with --report."
    );
    platform.stop().await;
}

/// Starts a server whose `/readyz` shows real prices. Other requests receive 404. Returns the URL of the server.
fn serve_real_prices() -> String {
    let price = json!({
        "price": "84000.12", "state": "fresh", "simulated": false, "as_of": Timestamp::now(), "expires_at": Timestamp::now()
    });
    let parts =
        [json!({ "name": "price", "ready": true }), json!({ "name": "price EUR", "ready": true, "price": price })];
    let readiness = json!({ "ready": true, "parts": parts }).to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&mut connection);
            let mut head = String::new();
            while reader.read_line(&mut head).unwrap_or(0) > 2 {}
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let _ = reader.read_exact(&mut vec![0; length.unwrap_or(0)]);
            let is_readiness = head.starts_with("GET /readyz");
            let (status, body) = if is_readiness { ("200 OK", readiness.as_str()) } else { ("404 Not Found", "") };
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json");
            let _ = write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

#[test]
fn load_on_a_server_that_does_not_respond_is_not_started() {
    let folder = tempfile::tempdir().unwrap();
    for confirmed in ["", " --yes"] {
        let command = format!("--server http://127.0.0.1:1 load orders --duration 1s{confirmed}");
        let output = run_binary("buydesk", &command.split(' ').collect::<Vec<_>>(), [("HOME", "/")], folder.path());
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = "create-order does not respond at http://127.0.0.1:1: the connection was refused";
        assert!(output.status.code() == Some(1) && error.contains(expected), "{error}");
    }
}

#[test]
fn load_on_a_platform_with_real_prices_requires_confirmation() {
    let folder = tempfile::tempdir().unwrap();
    let real = serve_real_prices();
    let run = |arguments: &str, wallets: &str| {
        let arguments: Vec<_> = arguments.split(' ').collect();
        run_binary("buydesk", &arguments, [("BUYDESK_URL", real.as_str()), ("WALLETS_URL", wallets)], folder.path())
    };
    for (command, effect) in [
        ("load orders --duration 1s", "places orders that cannot be removed"),
        ("load reads --duration 1s", "sends it many requests"),
        ("load wallets --duration 1s", "creates wallets and moves money, which cannot be removed"),
    ] {
        let output = run(command, &real);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {error}");
        let refusal =
            format!("{real} is no demo: its prices are real. This command {effect}.\nRun it with --yes to confirm.");
        assert!(error.contains(&refusal), "{command}: {error}");
    }
    // A `wallets` on another host possibly belongs to another platform.
    let other = run("load wallets --duration 1s", "http://wallets.example");
    let error = String::from_utf8(other.stderr).unwrap();
    assert!(
        error.contains("it is unknown whether http://wallets.example is a demo, because its host differs from that of"),
        "{error}"
    );

    let confirmed = run("load orders --duration 200ms --connections 1 --check none --yes", &real);
    assert_eq!(confirmed.status.code(), Some(1));
    let text = String::from_utf8(confirmed.stdout).unwrap();
    assert!(text.contains("(real)") && text.contains("no_problem_document"), "{text}");
}
