//! `buydesk up` as a process.

use std::{
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use common::{api::orders::OrderOrigin, config::port_variable, service::Service};
use db_proxy::database::Database;
use serde_json::{Value, json};
use tests::{
    buydesk_up::BuydeskUp,
    environment::{binary_path, run_binary},
    platform::SERVICES,
    raw_http::open_connection,
    wait_until,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// How long `buydesk up` may take to print that create-order is ready.
const MESSAGE_LIMIT: Duration = Duration::from_secs(10);

/// Opens a connection, completes one request, and sends the beginning of another request.
async fn connect_and_send(address: &str, beginning: &str) -> TcpStream {
    let mut client = open_connection(address).await;
    client.write_all(beginning.as_bytes()).await.unwrap();
    client
}

#[tokio::test]
async fn buydesk_up_stops_in_time_although_clients_hold_connections() {
    let platform = BuydeskUp::start(&[]).await;
    let post = |path: &str| {
        let token = &platform.token;
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
        )
    };
    let mut clients = Vec::new();
    for (service, path) in [
        (create_order::App::NAME, "/api/v1/orders"),
        (db_proxy::App::NAME, "/add/"),
        (price_cache_proxy::App::NAME, "/add/?ttl=60"),
        (health_check::App::NAME, "/report"),
    ] {
        let address = platform.address(service);
        clients.push(connect_and_send(&address, "GET / HTTP/1.1\r\nhost: loc").await);
        clients.push(connect_and_send(&address, &post(path)).await);
    }
    let status = platform.stop().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn command_of_the_ready_message_works_in_another_folder() {
    let platform = BuydeskUp::start(&[]).await;
    let log = platform.folder().join("buydesk.log");
    let command = wait_until("the message that orders can be placed", MESSAGE_LIMIT, async || {
        let log = std::fs::read_to_string(&log).unwrap();
        Some(log.lines().skip_while(|line| !line.starts_with("Ready.")).nth(1)?.to_owned())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh").args(["-c", &command]).env_clear().current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("Order was placed for EUR:69.00"), "{command}: {output:?}");
    assert!(platform.stop().await.success());
}

#[test]
fn buydesk_up_with_few_file_descriptors_names_the_required_number() {
    for limit in ["8", "64"] {
        let script = format!("ulimit -n {limit} && exec {} up --demo", binary_path("buydesk").display());
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("sh").args(["-c", &script]).env_clear().current_dir(folder.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("buydesk up needs at least 960 file descriptors"), "{error}");
        assert!(error.contains(&format!("may open only {limit}")), "{error}");
    }
}

/// Runs `buydesk` with free ports until it exits.
fn run_buydesk(arguments: &[&str], folder: &Path, database_url: &str) -> Output {
    let ports = SERVICES.map(|service| (port_variable(service), "0"));
    let variables = ports.into_iter().chain([("DATABASE_URL".to_owned(), database_url)]);
    run_binary("buydesk", arguments, variables, folder)
}

#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for part in parts {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

async fn create_database(folder: &Path, origin: OrderOrigin) -> String {
    let url = format!("sqlite:{}/orders.db", folder.display());
    let database = Database::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    database.claim_origin(Some(origin)).await.unwrap();
    database.close().await;
    url
}

#[tokio::test]
async fn demo_uses_its_own_database() {
    let platform = BuydeskUp::start(&[]).await;
    let data = platform.folder().join("database/data");
    assert!(data.join("demo.db").is_file());
    assert!(!data.join("buydesk.db").exists());
    let status = platform.stop().await;
    assert!(status.success(), "{status}");
}

/// The file `.env.example` with every setting active.
fn example_settings() -> String {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.example");
    let example = std::fs::read_to_string(example).unwrap();
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_uppercase()) && setting.contains('=') => setting,
        _ => line,
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[tokio::test]
async fn demo_with_all_example_settings_does_not_use_the_file_of_real_orders() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), example_settings()).unwrap();
    let platform = BuydeskUp::start_in(folder, &[]).await;
    let data = platform.folder().join("database/data");
    assert!(data.join("demo.db").is_file() && !data.join("buydesk.db").exists());
    let log = std::fs::read_to_string(platform.folder().join("buydesk.log")).unwrap();
    assert!(
        log.contains("is the file of real orders, so simulated data goes to sqlite:database/data/demo.db"),
        "{log}"
    );
    assert!(log.contains("SIMULATED=false has no effect"), "{log}");
    assert!(log.contains("SIMULATED orders are stored in"), "{log}");
    assert!(platform.stop().await.success());
}

#[tokio::test]
async fn buydesk_up_refuses_a_database_of_simulated_orders_and_the_demo_one_of_real_orders() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = create_database(folder.path(), OrderOrigin::Simulated).await;
    let refused = run_buydesk(&["up"], folder.path(), &simulated);
    assert_refused(
        &refused,
        &["orders.db: this database is for simulated orders", "buydesk up --demo", "DATABASE_URL"],
    );

    let folder = tempfile::tempdir().unwrap();
    let real = create_database(folder.path(), OrderOrigin::Real).await;
    let refused = run_buydesk(&["up", "--demo"], folder.path(), &real);
    assert_refused(&refused, &["orders.db: this database is for real orders", "without --demo", "DATABASE_URL"]);

    // The environment variable names the default file of real orders, which does not exist yet.
    let folder = tempfile::tempdir().unwrap();
    let refused = run_buydesk(&["up", "--demo"], folder.path(), "sqlite:database/data/buydesk.db");
    assert_refused(&refused, &["DATABASE_URL=", "it is the file of real orders", "unset the environment variable"]);
    assert!(!folder.path().join("database").exists());

    // Symbolic links do not hide the file of real orders.
    let data = folder.path().join("database/data");
    std::fs::create_dir_all(&data).unwrap();
    symlink("database/data/buydesk.db", folder.path().join("link.db")).unwrap();
    symlink("orders.db", data.join("buydesk.db")).unwrap();
    for url in ["sqlite:link.db", "sqlite:database/data/orders.db", "sqlite:database/data/buydesk.db"] {
        let refused = run_buydesk(&["up", "--demo"], folder.path(), url);
        assert_refused(&refused, &["DATABASE_URL=", "it is the file of real orders"]);
    }
    assert!(!data.join("orders.db").exists());
    // Without --demo, SIMULATED=true also declares simulated orders.
    std::fs::write(folder.path().join(".env"), "SIMULATED=true\n").unwrap();
    let refused = run_buydesk(&["up"], folder.path(), "sqlite:database/data/buydesk.db");
    assert_refused(&refused, &["DATABASE_URL=", "SIMULATED=true declares simulated orders"]);
}

#[test]
fn demo_and_seed_refuse_an_environment_variable_that_declares_real_orders() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["up", "--demo"][..], &["seed", "orders", "--count", "1", "--yes"]] {
        let refused = run_binary("buydesk", arguments, [("SIMULATED", "false")], folder.path());
        assert_refused(&refused, &["SIMULATED=\"false\" is not allowed", "unset the environment variable"]);
    }
    assert!(!folder.path().join("database").exists());
}

#[tokio::test]
async fn second_buydesk_up_on_one_database_file_is_refused_until_the_first_is_killed() {
    let platform = BuydeskUp::start(&[]).await;
    let data = platform.folder().join("database/data/demo.db");
    let url = format!("sqlite:{}", data.display());
    let elsewhere = tempfile::tempdir().unwrap();
    let refused = run_buydesk(&["up", "--demo"], elsewhere.path(), &url);
    let process = format!("in use by the process {}", platform.process_id());
    assert_refused(&refused, &["db-proxy could not start", "demo.db", &process, "DATABASE_URL"]);

    // A crash releases the lock.
    let folder = platform.kill().await;
    let mut second = BuydeskUp::start_in(folder, &[]).await;
    assert!(second.is_running());
    let status = second.stop().await;
    assert!(status.success(), "{status}");
}

#[test]
fn seed_states_why_it_cannot_start_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let seed = |url: &str| {
        let arguments = ["seed", "orders", "--count", "9", "--yes", "--json"];
        let variables = [("DATABASE_URL", url), ("BTC_LIMIT", "0.0000005")];
        let output = run_binary("buydesk", &arguments, variables, folder.path());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        serde_json::from_slice::<Value>(output.stderr.trim_ascii()).unwrap()
    };
    let limited = seed("sqlite:limited.db");
    assert_eq!(
        (&limited["code"], &limited["detail"]),
        (
            &json!("limit_exceeded"),
            &json!(
                "Only 2 of 9 orders fit under the limit of all orders, which is 0.00000050 BTC: 0.00000050 BTC remain. Nothing was \
                 added."
            )
        )
    );
    for advice in ["--count 2. ", "`buydesk limit set AMOUNT`"] {
        assert!(limited["next_step"].as_str().unwrap().contains(advice), "{limited}");
    }
    let unreachable = seed("postgres://ada@127.0.0.1:1/orders");
    assert_eq!(unreachable["code"], "database_unavailable", "{unreachable}");
    assert_eq!(unreachable["next_step"], "Start the server, or correct DATABASE_URL.", "{unreachable}");
    assert!(unreachable["detail"].as_str().unwrap().contains("127.0.0.1:1/orders cannot be reached"), "{unreachable}");
}

#[tokio::test]
async fn seed_needs_confirmation_and_refuses_a_database_of_real_orders() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/new.db", folder.path().display());
    // Without a terminal, the command cannot ask for confirmation.
    let refused = run_buydesk(&["seed", "orders", "--count", "3"], folder.path(), &url);
    assert_refused(&refused, &["3 simulated orders", "new.db", "--yes"]);
    assert!(!folder.path().join("new.db").exists());

    let seeded = run_buydesk(&["seed", "orders", "--count", "3", "--yes"], folder.path(), &url);
    let output = String::from_utf8_lossy(&seeded.stdout);
    assert!(seeded.status.success() && output.contains("3 orders"), "{seeded:?}");
    // For users, `--count` is their total in the database after the command.
    for (count, expected) in
        [("3", "3 generated users. This command added 3."), ("5", "5 generated users. This command added 2.")]
    {
        let seeded = run_buydesk(&["seed", "users", "--count", count, "--yes"], folder.path(), &url);
        let output = String::from_utf8_lossy(&seeded.stdout);
        assert!(seeded.status.success() && output.contains(expected), "{seeded:?}");
    }
    for (rows, expected) in [
        ("orders", json!({ "added": 3, "orders": 6, "bitcoin_amount": "0.00000146" })),
        ("users", json!({ "added": 0, "generated_users": 5 })),
    ] {
        let arguments = ["seed", rows, "--count", "3", "--json"];
        let refused = run_buydesk(&arguments, folder.path(), &url);
        let document: Value = serde_json::from_slice(&refused.stderr).unwrap();
        assert_eq!(document["code"], "confirmation_required", "{document}");
        assert_eq!(document["next_step"], "Run it with --yes to confirm.", "{document}");
        let seeded = run_buydesk(&[&arguments[..], &["--yes"]].concat(), folder.path(), &url);
        let document: Value = serde_json::from_slice(&seeded.stdout).unwrap();
        assert_eq!((document, seeded.status.success()), (expected, true), "{seeded:?}");
    }
    let database = Database::open(&url).await.unwrap();
    assert!(database.claim_origin(Some(OrderOrigin::Real)).await.is_err());
    database.close().await;

    let real = create_database(folder.path(), OrderOrigin::Real).await;
    for rows in ["orders", "users"] {
        let refused = run_buydesk(&["seed", rows, "--count", "3", "--yes"], folder.path(), &real);
        assert_refused(&refused, &["orders.db is a database of real orders", "Nothing was added", "Set DATABASE_URL"]);
    }
}
