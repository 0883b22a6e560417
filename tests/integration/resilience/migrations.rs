//! A migration that fails while db-proxy runs.

use std::time::Duration;

use common::{config::Env, service::Service};
use sqlx::{Connection, Executor, PgConnection};
use tests::servers::PrivateServer;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

const END_LIMIT: Duration = Duration::from_secs(20);

/// PostgreSQL becomes available after db-proxy started, and its schema cannot be migrated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permanent_migration_error_ends_the_process_with_its_reason() {
    let mut postgres = PrivateServer::postgres().await;
    let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
    // Not a table of db-proxy. Its migrations do not replace it.
    connection.execute("create table orders (id integer)").await.unwrap();
    connection.close().await.unwrap();
    postgres.stop().await;

    let mut env = Env::from_pairs([("INTERNAL_TOKEN", "0123456789abcdef"), ("DATABASE_URL", postgres.url().as_str())]);
    let config = db_proxy::App::configure(&mut env);
    env.finish().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = db_proxy::App::build(config, listener.into()).await.unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(service.run_until(stop.clone()));
    postgres.start().await;
    let ended = timeout(END_LIMIT, running).await;
    stop.cancel();
    let error = ended.expect("the service ends").unwrap().unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains("migration 1") && message.contains("orders"), "{message}");
}
