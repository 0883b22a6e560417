//! The address of the database or of Redis changes, or the database is less durable than declared. The tests in
//! `failovers` use real clusters.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use tests::{
    Platform, Stack,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    platform::{PRICES, Validity, order},
    servers::{Database, Link, Port, PrivateServer},
    wait_until,
};

const ORDERS: usize = 20;
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_continue_on_another_host_of_the_database_url() {
    let database = Database::postgres().await;
    let server = database.server_address();
    // Nothing listens on the first host. The other two hosts are addresses of the same server.
    let (closed, first, second) = (Port::reserve(), Link::start(server.clone()).await, Link::start(server).await);
    second.cut();
    let hosts = [closed.address(), first.address(), second.address()].join(",");
    let platform = Platform::builder(Stack::Servers).database(database.url_at(&hosts)).start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    // The test waits for more orders than there are clients, so some of the orders begin after the cut.
    first.cut();
    second.restore();
    load.wait_for_orders(ORDERS).await;
    second.cut();
    first.restore();
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(&platform, load.stop().await).await;
}

async fn wait_for_durability(platform: &Platform, ready: bool) -> String {
    wait_until("the durability is checked", LIMIT, async || {
        let component = platform.db_proxy.component("durability").await;
        let detail = component["detail"].as_str().unwrap_or_default();
        (component["ready"] == ready && !detail.contains("not known")).then(|| detail.to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_refused_while_its_commit_would_be_less_durable_than_declared() {
    let postgres = PrivateServer::postgres().await;
    let change = async |statement: &'static str| {
        let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.execute("select pg_reload_conf()").await.unwrap();
        connection.close().await.unwrap();
    };
    let platform = Platform::builder(Stack::Servers).database(postgres.url()).start().await;
    platform.place_with_key("before", order("USD", "1")).await.json(201);

    // The default of `DURABILITY` is `local`.
    change("alter system set synchronous_commit = off").await;
    assert!(wait_for_durability(&platform, false).await.contains("synchronous_commit"));
    assert_eq!(platform.client.get(platform.db_proxy.url("/readyz")).await.status, 503);
    // db-proxy does not look up the idempotency key, so an earlier request with this key has possibly placed the order.
    platform.place_with_key("refused", order("USD", "1")).await.problem(503, "outcome_unknown");
    platform.place(order("USD", "1")).await.problem(503, "database_unavailable");
    change("alter system reset synchronous_commit").await;
    wait_for_durability(&platform, true).await;
    platform.place_with_key("refused", order("USD", "1")).await.json(201);

    let remote = platform.db_proxy.another(&[("DURABILITY", "remote")]);
    remote.start().await;
    let create_order = platform.create_order.another(&[("DB_PROXY_URL", &remote.url(""))]);
    create_order.start().await;
    let place = async || {
        let request = platform.client.json(create_order.url("/api/v1/orders"), order("USD", "1"));
        tests::client::send(request.header("idempotency-key", "remote")).await
    };
    place().await.problem(503, "outcome_unknown");
    let readiness = platform.client.get(remote.url("/readyz")).await;
    assert!(readiness.text().contains("synchronous_standby_names"), "{}", readiness.text());
    assert_eq!(platform.summary().await["count"], 2);
    create_order.stop().await;
    remote.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_are_written_to_the_new_master_of_redis() {
    let (first, second) = (PrivateServer::redis().await, PrivateServer::redis().await);
    let link = Link::start(first.address()).await;
    let redis_url = format!("redis://{}", link.address());
    let platform = Platform::builder(Stack::Servers).set("REDIS_URL", redis_url).start().await;
    // The connection to the first server stays open, and that server becomes a replica.
    link.redirect(second.address());
    let (host, port) =
        second.address().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    first.redis_command(&["REPLICAOF", &host, &port]).await;
    wait_until("the cache accepts prices", LIMIT, async || {
        platform.try_put_prices(&PRICES, Validity::default()).await.ok()
    })
    .await;
    platform.price_cache.wait_until_ready().await;
}
