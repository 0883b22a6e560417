//! Reads that occupy all read connections delay neither the writer nor the check of readiness.

use std::time::Duration;

use common::{metrics::Metrics, time::Timestamp};
use db_proxy::{
    database::Database,
    group_commit::BatchStore,
    orders::{OrderBatchStore, OrderMetrics},
};
use tests::{Stack, on_both_stacks};
use tokio::time::timeout;

use super::{Fixture, commands, commit, market_order, no_limit, quotes::quote_command, sats, unchecked_clock};

on_both_stacks!(busy_readers_delay_neither_the_writer_nor_readiness);

/// The maximum duration of an operation that must not wait for a reader. A read waits longer for a connection.
const LIMIT: Duration = Duration::from_secs(1);

/// Acquires every connection for reads. The connections are released when the result is dropped.
async fn occupy_readers(database: &Database) -> Box<dyn std::any::Any> {
    match database {
        Database::Postgres(database) => {
            let mut readers = Vec::new();
            for _ in 0..database.readers.options().get_max_connections() {
                readers.push(database.readers.acquire().await.unwrap());
            }
            Box::new(readers)
        }
        Database::Sqlite(database) => {
            let mut readers = Vec::new();
            for _ in 0..database.readers.options().get_max_connections() {
                readers.push(database.readers.acquire().await.unwrap());
            }
            Box::new(readers)
        }
    }
}

async fn busy_readers_delay_neither_the_writer_nor_readiness(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let past = Timestamp::now().minus(Duration::from_secs(4));
    commit(&fixture.store, &mut [quote_command(60, Duration::from_secs(1))], no_limit(), past).await;
    assert_eq!(fixture.store.totals().await.unwrap().reserved, sats(60));

    let readers = occupy_readers(&fixture.connections).await;
    let batches = OrderBatchStore {
        store: fixture.store.clone(),
        limit: no_limit(),
        clock_check: unchecked_clock(),
        metrics: OrderMetrics::register(&Metrics::new("test"), no_limit()),
    };
    timeout(LIMIT, batches.run_idle_work()).await.expect("the idle work does not wait for reads").unwrap();
    timeout(LIMIT, batches.probe_write()).await.expect("readiness does not wait for reads").unwrap();
    let mut place = commands(&[market_order("a-key", 1)]);
    let placed = commit(&fixture.store, &mut place, no_limit(), Timestamp::now());
    timeout(LIMIT, placed).await.expect("an order does not wait for reads");

    drop(readers);
    let totals = fixture.store.totals().await.unwrap();
    assert_eq!(
        (totals.reserved, totals.orders),
        (sats(0), 1),
        "the reserved satoshi after the expiry of the quote, and the number of orders"
    );
}
