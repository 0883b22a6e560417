//! Each outside part is taken away while orders come in, and comes back: meanwhile answers are 201 or a 503 that says when
//! to come again, and afterwards all is well by itself.

use tests::{
    Platform, Stack,
    client::send,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    on_both_stacks,
    platform::Instance,
    servers::PrivateServer,
    wait_until,
};

on_both_stacks!(
    orders_recover_after_db_proxy_restart,
    orders_are_placed_during_fetch_orders_restart,
    orders_use_cached_price_during_price_cache_restart,
);

const SOME: usize = 20;

/// The same course for every part: orders flow, the part goes, the part comes, orders flow, the books agree.
async fn pull(platform: &Platform, away: impl AsyncFnOnce(&LoadGenerator), back: impl AsyncFnOnce()) {
    let load = LoadGenerator::start(platform, MissingResponse::Fails);
    load.wait_for_placed(SOME).await;
    away(&load).await;
    back().await;
    load.wait_for_placed(SOME).await;
    retry_and_reconcile(platform, load.stop().await).await;
}

/// A part that is away is named, and nothing else is wrong.
async fn is_missing(platform: &Platform, service: &Instance) {
    let readiness = platform.client.get(service.url("/readyz")).await;
    let parts = readiness.json(503)["parts"].clone();
    assert!(parts.as_array().unwrap().iter().any(|part| part["ready"] == false), "{parts}");
    assert!(readiness.header("retry-after").is_some());
    assert_eq!(platform.client.get(service.url("/livez")).await.status, 200);
}

async fn orders_recover_after_db_proxy_restart(stack: Stack) {
    let platform = Platform::start(stack).await;
    let away = async |load: &LoadGenerator| {
        platform.db_proxy.stop().await;
        load.wait_for_failures(8).await;
        is_missing(&platform, &platform.create_order).await;
        is_missing(&platform, &platform.fetch_orders).await;
        let page = platform.client.get(platform.fetch_orders.url("/get_orders")).await;
        page.problem(503, "upstream_unavailable");
    };
    pull(&platform, away, async || platform.db_proxy.start().await).await;
    for service in platform.order_services() {
        service.wait_until_ready().await;
    }
}

async fn orders_are_placed_during_fetch_orders_restart(stack: Stack) {
    let platform = Platform::start(stack).await;
    let away = async |load: &LoadGenerator| {
        platform.fetch_orders.stop().await;
        load.wait_for_placed(SOME).await;
    };
    pull(&platform, away, async || platform.fetch_orders.start().await).await;
}

async fn orders_use_cached_price_during_price_cache_restart(stack: Stack) {
    let platform = Platform::start(stack).await;
    // Orders go on with the price that is held.
    let away = async |load: &LoadGenerator| {
        platform.price_cache.stop().await;
        load.wait_for_placed(SOME).await;
    };
    let back = async || {
        platform.price_cache.start().await;
        platform.put_default_prices().await;
    };
    pull(&platform, away, back).await;
    platform.create_order.wait_until_ready().await;
}

/// A service that keeps its data in a PostgreSQL of the test's own.
async fn on_own_postgres(postgres: &PrivateServer) -> Platform {
    Platform::builder(Stack::Servers).database(postgres.url()).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_postgres_crash() {
    let mut postgres = PrivateServer::postgres().await;
    let platform = on_own_postgres(&postgres).await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_placed(SOME).await;
    postgres.stop().await;
    load.wait_for_failures(1).await;
    is_missing(&platform, &platform.db_proxy).await;
    let page = platform.client.get(platform.fetch_orders.url("/get_orders")).await;
    page.problem(503, "database_unavailable");
    postgres.start().await;
    // Also what was mended can break, and be back before anybody is refused.
    load.wait_for_placed(SOME).await;
    postgres.stop().await;
    postgres.start().await;
    load.wait_for_placed(SOME).await;
    retry_and_reconcile(&platform, load.stop().await).await;
    for service in platform.order_services() {
        service.wait_until_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_recover_after_postgres_freeze() {
    let postgres = PrivateServer::postgres().await;
    let platform = on_own_postgres(&postgres).await;
    let away = async |load: &LoadGenerator| {
        postgres.freeze();
        load.wait_for_failures(1).await;
        let page = platform.client.get(platform.fetch_orders.url("/get_orders")).await;
        assert_eq!(page.status, 503, "{}", page.text());
    };
    pull(&platform, away, async || postgres.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_become_ready_when_postgres_starts_late() {
    let mut postgres = PrivateServer::postgres().await;
    postgres.stop().await;
    let platform = Platform::builder(Stack::Servers).database(postgres.url()).without_readiness_check().start().await;
    is_missing(&platform, &platform.db_proxy).await;
    platform.place(tests::platform::order("USD", "1")).await.problem(503, "database_unavailable");
    postgres.start().await;
    for service in platform.order_services() {
        service.wait_until_ready().await;
    }
    platform.place(tests::platform::order("USD", "1")).await.json(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_continue_during_redis_crash() {
    let mut redis = PrivateServer::redis().await;
    let platform = Platform::builder(Stack::Servers).set("REDIS_URL", redis.url()).start().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Fails);
    load.wait_for_placed(SOME).await;
    redis.stop().await;
    // Orders go on with the price that is held.
    load.wait_for_placed(SOME).await;
    record_is_away(&platform).await;
    redis.start().await;
    // What it held is gone, until price-updater writes the next record.
    wait_until("the cache takes a price again", std::time::Duration::from_secs(5), async || {
        let put = platform.try_put_prices(&tests::platform::PRICES, tests::platform::TTL, std::time::Duration::ZERO);
        put.await.ok()
    })
    .await;
    load.wait_for_placed(SOME).await;
    retry_and_reconcile(&platform, load.stop().await).await;
    platform.price_cache.wait_until_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_continue_during_redis_freeze() {
    let redis = PrivateServer::redis().await;
    let platform = Platform::builder(Stack::Servers).set("REDIS_URL", redis.url()).start().await;
    let away = async |load: &LoadGenerator| {
        redis.freeze();
        load.wait_for_placed(SOME).await;
        record_is_away(&platform).await;
    };
    pull(&platform, away, async || redis.thaw()).await;
    platform.price_cache.wait_until_ready().await;
    assert_eq!(platform.client.get(platform.price_cache.url("/record")).await.status, 200);
}

/// An instance that holds the record gives it for as long as it is valid; one that starts now has none to give.
async fn record_is_away(platform: &Platform) {
    is_missing(platform, &platform.price_cache).await;
    assert_eq!(platform.client.get(platform.price_cache.url("/record")).await.status, 200);
    let cache = platform.price_cache.another(&[]);
    cache.start().await;
    platform.client.get(cache.url("/record")).await.problem(503, "cache_unavailable");
    let create_order = platform.create_order.another(&[("PRICE_CACHE_URL", &cache.url(""))]);
    create_order.start().await;
    let request = platform.client.json(create_order.url("/api/v1/orders"), tests::platform::order("USD", "1"));
    let response = send(request.header("idempotency-key", "while-redis-is-away")).await;
    response.problem(503, "cache_unavailable");
    create_order.stop().await;
    cache.stop().await;
}
