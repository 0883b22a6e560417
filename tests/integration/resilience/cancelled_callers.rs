//! Callers that close their connection before their commands are executed.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tests::{Platform, Stack, on_both_stacks, platform::internal_order, wait_until};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

on_both_stacks!(command_of_disconnected_caller_is_not_executed);

/// Maximum wait for a change in db-proxy.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A transaction outside db-proxy. It blocks the writer of db-proxy until [`WriteLock::release`].
enum WriteLock {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl WriteLock {
    async fn acquire(platform: &Platform, stack: Stack) -> Self {
        let url = platform.database.url();
        match stack {
            Stack::Servers => {
                let mut connection = PgConnection::connect(&url).await.unwrap();
                connection.execute("begin; select from order_totals for update").await.unwrap();
                Self::Postgres(connection)
            }
            Stack::Embedded => {
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                connection.execute("begin immediate").await.unwrap();
                Self::Sqlite(connection)
            }
        }
    }

    async fn release(self) {
        match self {
            Self::Postgres(connection) => connection.close().await.unwrap(),
            Self::Sqlite(mut connection) => drop(connection.execute("rollback").await.unwrap()),
        }
    }
}

async fn wait_for_commands(platform: &Platform, count: usize) {
    let reached = async || (platform.db_proxy_metric("order_waiting_commands").await == count).then_some(());
    wait_until(&format!("{count} commands wait in db-proxy"), TIMEOUT, reached).await;
}

/// Sends db-proxy the command to place an order of one satoshi.
async fn send_to_db_proxy(platform: &Platform, key: &str) -> TcpStream {
    let body = internal_order(&platform.put_default_prices().await, key).to_string();
    let request = platform.with_internal_token(platform.client.json(platform.db_proxy.url("/add"), body.clone()));
    let token = request.build().unwrap().headers()["authorization"].to_str().unwrap().to_owned();
    let head = format!(
        "POST /add HTTP/1.1\r\nhost: localhost\r\nauthorization: {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(platform.db_proxy.address()).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

async fn command_of_disconnected_caller_is_not_executed(stack: Stack) {
    let platform = Platform::start(stack).await;
    let lock = WriteLock::acquire(&platform, stack).await;
    let mut connected = send_to_db_proxy(&platform, "connected").await;
    wait_for_commands(&platform, 1).await;
    let mut disconnected = send_to_db_proxy(&platform, "disconnected").await;
    wait_for_commands(&platform, 2).await;

    disconnected.shutdown().await.unwrap();
    let mut received = Vec::new();
    let closed = timeout(TIMEOUT, disconnected.read_to_end(&mut received)).await;
    closed.expect("db-proxy closes the connection of the disconnected caller").unwrap();
    assert_eq!(String::from_utf8_lossy(&received), "");
    lock.release().await;

    let mut response = String::new();
    timeout(TIMEOUT, connected.read_to_string(&mut response)).await.expect("a response").unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    wait_for_commands(&platform, 0).await;
    let stored = platform.all_pages("/get_orders").await;
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert!(response.contains(stored[0]["id"].as_str().unwrap()), "{response}\n{stored:?}");
}
