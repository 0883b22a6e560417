//! Many slow reads neither delay orders nor make a service unready.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};
use tests::{Platform, Stack, client::try_send, platform::order, reconciliation::assert_reconciled, wait_until};
use tokio::task::JoinSet;

/// More readers than db-proxy has connections for reads.
const READERS: usize = 24;
const ORDERS: usize = 20;
/// Maximum duration of an order, a quote and two readiness checks. A read that waits for a connection takes longer.
const LIMIT: Duration = Duration::from_secs(1);
const START_LIMIT: Duration = Duration::from_secs(10);

/// The reads that have a connection wait for a lock until their timeout. The others wait for a connection. The
/// statements of orders do not need the lock. Only PostgreSQL has such a lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reads_delay_neither_orders_nor_readiness() {
    let platform = Platform::builder(Stack::Servers).set("QUOTE_HOLD_SECS", "1").start().await;
    let mut blocker = PgConnection::connect(&platform.database.url()).await.unwrap();
    blocker.execute("begin; lock table course_series in access exclusive mode").await.unwrap();
    let mut reads = JoinSet::new();
    for _ in 0..READERS {
        let (client, url) = (platform.client.clone(), platform.db_proxy.url("/courses/history"));
        reads.spawn(async move {
            loop {
                let _ = client.get_internal(&url).await;
            }
        });
    }
    let summary_url = platform.fetch_orders.url("/api/v1/orders/summary");
    wait_until("all connections for reads are in use", START_LIMIT, async || {
        let summary = try_send(platform.client.request("GET", &summary_url).timeout(LIMIT)).await;
        (!summary.is_ok_and(|response| response.status == 200)).then_some(())
    })
    .await;

    let mut orders = Vec::new();
    for n in 1..=ORDERS {
        let start = Instant::now();
        platform.quote(order("USD", "1")).await.json(201);
        orders.push(platform.place(order("USD", &n.to_string())).await.json(201));
        for service in [&platform.db_proxy, &platform.create_order] {
            platform.client.get(service.url("/readyz")).await.json(200);
        }
        assert!(start.elapsed() < LIMIT, "an order, a quote and two readiness checks took {:?}", start.elapsed());
    }

    reads.shutdown().await;
    blocker.close().await.unwrap();
    wait_until("the reservations of the expired quotes end", START_LIMIT, async || {
        (platform.client.get(&summary_url).await.status == 200 && platform.summary().await["reserved"] == "0.00000000")
            .then_some(())
    })
    .await;
    assert_reconciled(&platform, &orders).await;
}
