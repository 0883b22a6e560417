//! Outages of one service or server while orders are placed. During the outage, every response is a 201, or a 503 with
//! `Retry-After`. After the outage, the platform recovers without intervention.

use std::time::Duration;

use tests::{
    Platform, Stack,
    client::send,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, PRICES, Validity, order},
    servers::PrivateServer,
    wait_until,
};

on_both_stacks!(
    orders_recover_after_db_proxy_restart,
    orders_are_placed_during_fetch_orders_restart,
    orders_use_cached_price_during_price_cache_restart,
);

/// The number of orders to wait for before and after an outage.
const ORDERS: usize = 20;
/// The number of failed requests to wait for during the outage of db-proxy: one for each client.
const FAILURES: usize = 8;
const LIMIT: Duration = Duration::from_secs(5);

/// Runs load before, during and after an outage, and reconciles the orders.
async fn run_outage(platform: &Platform, begin: impl AsyncFnOnce(&LoadGenerator), end: impl AsyncFnOnce()) {
    let load = LoadGenerator::start(platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    begin(&load).await;
    end().await;
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(platform, load.stop().await).await;
}

/// Asserts that `/readyz` of the service reports a component as not ready, and `/livez` succeeds.
async fn assert_not_ready(platform: &Platform, service: &Instance) {
    let readiness = platform.client.get(service.url("/readyz")).await;
    let parts = readiness.json(503)["parts"].clone();
    assert!(parts.as_array().unwrap().iter().any(|component| component["ready"] == false), "{parts}");
    assert!(readiness.header("retry-after").is_some());
    assert_eq!(platform.client.get(service.url("/livez")).await.status, 200);
}

async fn orders_recover_after_db_proxy_restart(stack: Stack) {
    let platform = Platform::start(stack).await;
    let begin = async |load: &LoadGenerator| {
        platform.db_proxy.stop().await;
        load.wait_for_failures(FAILURES).await;
        assert_not_ready(&platform, &platform.create_order).await;
        assert_not_ready(&platform, &platform.fetch_orders).await;
        platform.fetch("/get_orders").await.problem(503, "upstream_unavailable");
    };
    run_outage(&platform, begin, async || platform.db_proxy.start().await).await;
    platform.wait_until_orders_are_ready().await;
}

async fn orders_are_placed_during_fetch_orders_restart(stack: Stack) {
    let platform = Platform::start(stack).await;
    let begin = async |load: &LoadGenerator| {
        platform.fetch_orders.stop().await;
        load.wait_for_orders(ORDERS).await;
    };
    run_outage(&platform, begin, async || platform.fetch_orders.start().await).await;
}

async fn orders_use_cached_price_during_price_cache_restart(stack: Stack) {
    let platform = Platform::start(stack).await;
    let begin = async |load: &LoadGenerator| {
        platform.price_cache.stop().await;
        load.wait_for_orders(ORDERS).await;
    };
    let end = async || {
        platform.price_cache.start().await;
        platform.put_default_prices().await;
    };
    run_outage(&platform, begin, end).await;
    platform.create_order.wait_until_ready().await;
}

async fn start_on_postgres(postgres: &PrivateServer) -> Platform {
    Platform::builder(Stack::Servers).database(postgres.url()).start().await
}

async fn start_on_redis(redis: &PrivateServer) -> Platform {
    Platform::builder(Stack::Servers).set("REDIS_URL", redis.url()).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_postgres_crash() {
    let mut postgres = PrivateServer::postgres().await;
    let platform = start_on_postgres(&postgres).await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    postgres.stop().await;
    load.wait_for_failures(1).await;
    assert_not_ready(&platform, &platform.db_proxy).await;
    platform.fetch("/get_orders").await.problem(503, "database_unavailable");
    postgres.start().await;
    // After the second crash, PostgreSQL restarts so fast that possibly no order is refused.
    load.wait_for_orders(ORDERS).await;
    postgres.stop().await;
    postgres.start().await;
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(&platform, load.stop().await).await;
    platform.wait_until_orders_are_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_postgres_freeze() {
    let postgres = PrivateServer::postgres().await;
    let platform = start_on_postgres(&postgres).await;
    let begin = async |load: &LoadGenerator| {
        postgres.freeze();
        load.wait_for_failures(1).await;
        let page = platform.fetch("/get_orders").await;
        assert_eq!(page.status, 503, "{}", page.text());
    };
    run_outage(&platform, begin, async || postgres.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_become_ready_when_postgres_starts_late() {
    let mut postgres = PrivateServer::postgres().await;
    postgres.stop().await;
    let builder = Platform::builder(Stack::Servers).database(postgres.url());
    let platform = builder.without_readiness_check().start().await;
    assert_not_ready(&platform, &platform.db_proxy).await;
    platform.place(order("USD", "1")).await.problem(503, "database_unavailable");
    // The reason contains the address of the database without the password, and does not mention the clock.
    let readiness = wait_until("the cause is known", LIMIT, async || {
        let readiness = platform.client.get(platform.db_proxy.url("/readyz")).await.json(503);
        readiness.to_string().contains("cannot be reached").then_some(readiness)
    });
    let readiness = readiness.await.to_string();
    let address = db_proxy::database::shown_url(&postgres.url());
    assert!(readiness.contains(&address) && !readiness.contains("clock"), "{readiness}");
    postgres.start().await;
    platform.wait_until_orders_are_ready().await;
    platform.place(order("USD", "1")).await.json(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_continue_during_redis_crash() {
    let mut redis = PrivateServer::redis().await;
    let platform = start_on_redis(&redis).await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_orders(ORDERS).await;
    redis.stop().await;
    // create-order uses the price record in its memory.
    load.wait_for_orders(ORDERS).await;
    assert_record_unavailable_to_new_instances(&platform).await;
    redis.start().await;
    // Redis is empty after its restart.
    wait_until("the cache accepts prices", LIMIT, async || {
        platform.try_put_prices(&PRICES, Validity::default()).await.ok()
    })
    .await;
    load.wait_for_orders(ORDERS).await;
    retry_and_reconcile(&platform, load.stop().await).await;
    platform.price_cache.wait_until_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_continue_during_redis_freeze() {
    let redis = PrivateServer::redis().await;
    let platform = start_on_redis(&redis).await;
    let begin = async |load: &LoadGenerator| {
        redis.freeze();
        load.wait_for_orders(ORDERS).await;
        assert_record_unavailable_to_new_instances(&platform).await;
    };
    run_outage(&platform, begin, async || redis.thaw()).await;
    platform.price_cache.wait_until_ready().await;
    assert_eq!(platform.client.get(platform.price_cache.url("/record")).await.status, 200);
}

/// Asserts that the running price-cache-proxy returns its cached record. New instances of price-cache-proxy and
/// create-order have no record.
async fn assert_record_unavailable_to_new_instances(platform: &Platform) {
    assert_not_ready(platform, &platform.price_cache).await;
    assert_eq!(platform.client.get(platform.price_cache.url("/record")).await.status, 200);
    let cache = platform.price_cache.another(&[]);
    cache.start().await;
    platform.client.get(cache.url("/record")).await.problem(503, "cache_unavailable");
    let create_order = platform.create_order.another(&[("PRICE_CACHE_URL", &cache.url(""))]);
    create_order.start().await;
    let request = platform.client.json(create_order.url(ORDERS_PATH), order("USD", "1"));
    let response = send(request.header("idempotency-key", "during-the-outage")).await;
    response.problem(503, "cache_unavailable");
    create_order.stop().await;
    cache.stop().await;
}
