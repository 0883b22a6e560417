//! Stores that refuse writes but still serve reads. `/readyz` reports the fault, and orders recover without
//! intervention.

use std::time::Duration;

use common::config::Caller;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tests::{
    Platform, Stack,
    client::send,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    platform::Instance,
    servers::{Database, PrivateServer},
    small_disk::SmallDisk,
    system_call_errors::{SystemCallErrors, end_injection},
    wait_until,
};

/// The number of orders to wait for before and after an outage.
const ORDERS: usize = 20;
/// The maximum time until a service reports that orders cannot be placed.
const REPORT_LIMIT: Duration = Duration::from_secs(12);

/// No wallet has this id.
const UNKNOWN_WALLET: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";

/// Waits until the service reports this component as not ready, and returns the reason.
async fn wait_until_not_ready(service: &Instance, name: &str) -> String {
    wait_until("the service is not ready", REPORT_LIMIT, async || {
        let component = service.component(name).await;
        assert!(!component.is_null(), "{} has no component {name}", service.name);
        (component["ready"] == false).then(|| component["detail"].as_str().unwrap().to_owned())
    })
    .await
}

/// Waits until db-proxy reports that the database accepts no writes, and create-order reports the same.
async fn wait_until_write_outage_is_reported(platform: &Platform) {
    wait_until_not_ready(&platform.db_proxy, "database").await;
    let reason = wait_until_not_ready(&platform.create_order, "db-proxy").await;
    assert!(reason.contains("database"), "{reason}");
}

/// Waits until orders are placed again, stops the load, and reconciles.
async fn assert_orders_recover(platform: &Platform, load: LoadGenerator) {
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(platform, load.stop().await).await;
    platform.wait_until_orders_are_ready().await;
}

fn sqlite_url(disk: &SmallDisk) -> String {
    format!("sqlite:{}/buydesk.db", disk.path().display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_full_disk_of_sqlite() {
    let disk = SmallDisk::new(64);
    let builder = Platform::builder(Stack::Embedded).database(sqlite_url(&disk));
    let platform = builder.launch_db_proxy_through(disk.launcher()).start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    for _ in 0..3 {
        load.wait_for_orders(ORDERS).await;
        let filler = disk.fill(platform.db_proxy.process_id().await);
        load.wait_for_failures(1).await;
        wait_until_write_outage_is_reported(&platform).await;
        drop(filler);
    }
    assert_orders_recover(&platform, load).await;
}

/// The disk fills while no order is placed, so only the probe of db-proxy can detect the full disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk_is_reported_without_orders() {
    let disk = SmallDisk::new(8);
    let builder = Platform::builder(Stack::Embedded).database(sqlite_url(&disk));
    let platform = builder.launch_db_proxy_through(disk.launcher()).start().await;
    let filler = disk.fill(platform.db_proxy.process_id().await);
    wait_until_write_outage_is_reported(&platform).await;
    drop(filler);
    platform.wait_until_orders_are_ready().await;
}

/// SQLite calls `pwrite64` and `fsync` when it commits. Each case injects an error into one of these calls. The first
/// nine calls of `pwrite64` succeed, because SQLite makes up to nine when it opens the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_io_errors_of_sqlite() {
    let errors = [
        SystemCallErrors { call: "pwrite64", error: "ENOSPC", nth: 10 },
        SystemCallErrors { call: "pwrite64", error: "EIO", nth: 11 },
        SystemCallErrors { call: "pwrite64", error: "EIO", nth: 17 },
        SystemCallErrors { call: "pwrite64", error: "ENOSPC", nth: 40 },
        SystemCallErrors { call: "fsync", error: "EIO", nth: 1 },
        SystemCallErrors { call: "fsync", error: "EIO", nth: 3 },
        SystemCallErrors { call: "fsync", error: "EIO", nth: 6 },
    ];
    for errors in errors {
        // The first start creates the tables, so the second start has nothing to create.
        let mut platform = Platform::builder(Stack::Embedded).in_processes().start().await;
        platform.db_proxy.stop().await;
        platform.db_proxy.set_launcher(errors.launcher());
        platform.db_proxy.start().await;
        let load = LoadGenerator::start(&platform, MissingResponse::Fails);
        wait_until("commits fail", REPORT_LIMIT, async || {
            (platform.db_proxy_metric("order_commit_failures_total").await >= 3).then_some(())
        })
        .await;
        end_injection(platform.db_proxy.process_id().await);
        assert_orders_recover(&platform, load).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_lock_by_another_process_on_sqlite() {
    let platform = Platform::builder(Stack::Embedded).in_processes().start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    let mut other = SqliteConnection::connect(&platform.database.url()).await.unwrap();
    other.execute("pragma busy_timeout = 10000").await.unwrap();
    other.execute("begin immediate").await.unwrap();
    load.wait_for_failures(1).await;
    wait_until_write_outage_is_reported(&platform).await;
    other.execute("rollback").await.unwrap();
    assert_orders_recover(&platform, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_lock_by_another_client_of_postgres() {
    let platform = Platform::start(Stack::Servers).await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    let mut other = PgConnection::connect(&platform.database.url()).await.unwrap();
    other.execute("begin; lock table order_totals in access exclusive mode").await.unwrap();
    load.wait_for_failures(1).await;
    wait_until_write_outage_is_reported(&platform).await;
    other.execute("rollback").await.unwrap();
    assert_orders_recover(&platform, load).await;
}

async fn wait_until_journal_is_ready(platform: &Platform) {
    wait_until("the journal is writable", REPORT_LIMIT, async || {
        (platform.db_proxy.component("journal").await["ready"] == true).then_some(())
    })
    .await;
}

/// The writer of wallets has a connection of its own, so its failures do not stop orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_writer_of_wallets_is_reported_while_orders_are_placed() {
    let platform = Platform::start(Stack::Servers).await;
    wait_until_journal_is_ready(&platform).await;
    let mut other = PgConnection::connect(&platform.database.url()).await.unwrap();
    other.execute("begin; lock table wallets in access exclusive mode").await.unwrap();
    let movement = serde_json::json!({
        "client": "anonymous", "key": "a", "owner": "anonymous",
        "operation": { "wallet_id": UNKNOWN_WALLET, "operation_type": "DEPOSIT", "amount": "1" },
    });
    let body = serde_json::json!({ "movements": [movement] }).to_string();
    let request = platform.client.json(platform.db_proxy.url("/movements"), body);
    let request = request.bearer_auth(platform.token_of(Caller::WALLETS, "db-proxy"));
    let blocked = tokio::spawn(async move { send(request).await });
    let reason = wait_until_not_ready(&platform.db_proxy, "journal").await;
    assert!(reason.starts_with("a write has been waiting for ") || reason.starts_with("the database "), "{reason}");
    assert_eq!(platform.db_proxy.component("database").await["ready"], true);
    let order = r#"{"currency":"USD","amount":"1"}"#;
    platform.client.post(platform.create_order.url("/api/v1/orders"), order).await.json(201);
    platform.wait_until_orders_are_ready().await;
    other.execute("rollback").await.unwrap();
    wait_until_journal_is_ready(&platform).await;
    blocked.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_postgres_was_read_only() {
    let platform = Platform::start(Stack::Servers).await;
    let Database::Postgres { server_url, name } = &platform.database else { unreachable!("the stack has PostgreSQL") };
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    let mut server = PgConnection::connect(server_url).await.unwrap();
    let mut set_read_only = async |value: &str| {
        let set = format!("alter database {name} set default_transaction_read_only = {value}");
        server.execute(sqlx::AssertSqlSafe(set)).await.unwrap();
    };
    set_read_only("on").await;
    // The setting applies to new connections only, so the open connections are ended.
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()";
    let mut other = PgConnection::connect(server_url).await.unwrap();
    sqlx::query(end).bind(name).execute(&mut other).await.unwrap();
    load.wait_for_failures(1).await;
    wait_until_write_outage_is_reported(&platform).await;
    platform.fetch("/get_orders").await.json(200);
    set_read_only("off").await;
    assert_orders_recover(&platform, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_full_disk_of_postgres() {
    let disk = SmallDisk::new(64);
    let postgres = PrivateServer::postgres_with_disk(&disk).await;
    let platform = Platform::builder(Stack::Servers).database(postgres.url()).start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    let filler = disk.fill(postgres.process_id());
    load.wait_for_failures(1).await;
    wait_until_write_outage_is_reported(&platform).await;
    drop(filler);
    assert_orders_recover(&platform, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_write_refusal_is_reported() {
    let redis = PrivateServer::redis().await;
    let platform = Platform::builder(Stack::Servers).set("REDIS_URL", redis.url()).start().await;
    // Redis refuses writes like a primary that lost its replicas.
    redis.configure_redis("min-replicas-to-write", "1").await;
    wait_until_not_ready(&platform.price_cache, "cache").await;
    let reason = wait_until_not_ready(&platform.create_order, "price-cache-proxy").await;
    assert!(reason.contains("cache"), "{reason}");
    // Orders use the price in the memory of create-order.
    platform.place(tests::platform::order("USD", "1")).await.json(201);
    redis.configure_redis("min-replicas-to-write", "0").await;
    platform.wait_until_orders_are_ready().await;
}
