//! A database that db-proxy cannot use, or cannot use yet.

use std::time::Duration;

use common::{api::orders::OrderOrigin, config::Env, service::Service};
use db_proxy::database::Database;
use sqlx::{Connection, Executor, PgConnection};
use tests::{
    Platform, Stack, on_both_stacks,
    servers::{PrivateServer, query_text},
    wait_until,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

on_both_stacks!(db_proxy_is_not_ready_without_newest_migration);

/// Maximum time until db-proxy reports a change of the schema. db-proxy checks the schema every few seconds.
const READINESS_LIMIT: Duration = Duration::from_secs(30);
const END_LIMIT: Duration = Duration::from_secs(20);

async fn db_proxy_is_not_ready_without_newest_migration(stack: Stack) {
    const REMOVE_NEWEST: [&str; 2] = [
        "create table newest as select * from _sqlx_migrations order by version desc limit 1",
        "delete from _sqlx_migrations where version in (select version from newest)",
    ];
    const RESTORE: &str = "insert into _sqlx_migrations select * from newest";
    let platform = Platform::start(stack).await;
    let url = platform.database.url();
    let readiness = async |status: u16| {
        wait_until("db-proxy reports its readiness", READINESS_LIMIT, async || {
            let response = platform.client.get(platform.db_proxy.url("/readyz")).await;
            (response.status == status).then(|| response.text())
        })
        .await
    };
    for statement in REMOVE_NEWEST {
        query_text(&url, statement).await;
    }
    let reason = readiness(503).await;
    assert!(reason.contains("migrations of the database are missing"), "{reason}");
    query_text(&url, RESTORE).await;
    readiness(200).await;
}

/// PostgreSQL becomes available after db-proxy started. The schema cannot be migrated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permanent_migration_error_ends_db_proxy_with_the_reason() {
    let mut postgres = PrivateServer::postgres().await;
    let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
    // The first migration fails, because a table with this name exists.
    connection.execute("create table orders (id integer)").await.unwrap();
    connection.close().await.unwrap();
    postgres.stop().await;

    let error = error_after_late_start(&mut postgres, &[]).await;
    let message = format!("{error:#}");
    assert!(message.contains("migration 1") && message.contains("orders"), "{message}");
}

/// A database of real orders becomes available after db-proxy started for simulated orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_of_the_other_origin_ends_db_proxy_with_the_reason() {
    let mut postgres = PrivateServer::postgres().await;
    let database = Database::open(&postgres.url()).await.unwrap();
    database.migrate().await.unwrap();
    database.claim_origin(Some(OrderOrigin::Real)).await.unwrap();
    database.close().await;
    postgres.stop().await;
    let error = error_after_late_start(&mut postgres, &[("SIMULATED", "true")]).await;
    let message = format!("{error:#}");
    assert!(message.contains("for real orders") && message.contains("SIMULATED=false"), "{message}");
}

/// Starts db-proxy, then its database, and returns the error with which db-proxy exits.
async fn error_after_late_start(postgres: &mut PrivateServer, settings: &[(&str, &str)]) -> anyhow::Error {
    let url = postgres.url();
    let required = [("INTERNAL_TOKEN", "0123456789abcdef"), ("DATABASE_URL", url.as_str())];
    let mut env = Env::from_pairs(required.into_iter().chain(settings.iter().copied()));
    let config = db_proxy::App::configure(&mut env);
    env.finish().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = db_proxy::App::build(config, listener.into()).await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(service.run_until(stop.clone()));
    postgres.start().await;
    let ended = timeout(END_LIMIT, running).await;
    stop.cancel();
    ended.expect("the service ends").unwrap().unwrap_err()
}
