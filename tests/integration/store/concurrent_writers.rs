//! Several writers on one database, as in several processes of db-proxy.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{
    api::orders::RefusalReason::{LimitExceeded, PriceUnavailable},
    metrics::Metrics,
    money::Sats,
    time::Timestamp,
};
use db_proxy::{
    group_commit::{WriteHealth, WriterHandle, WriterMetrics},
    orders::{Decision, OrderBatchStore, OrderMetrics, OrderStore},
};
use futures_util::FutureExt;
use tests::{Stack, on_both_stacks};
use tokio::task::{JoinHandle, JoinSet};

use super::{
    Fixture, TestOrder, commands, commit, expect_placed, expect_refused, market_order, quotes::quote_command, sats,
    unchecked_clock,
};

const WRITERS: usize = 4;
const BATCHES: usize = 200;

on_both_stacks!(
    concurrent_batches_fill_limit_exactly,
    one_idempotency_key_at_all_writers_places_one_order,
    writer_completes_queued_commands_before_shutdown,
    cancelled_order_is_not_placed,
    delayed_duplicate_of_refused_order_is_refused,
);

fn new_writer(store: OrderStore, limit: Sats) -> (WriterHandle<OrderBatchStore>, impl Future<Output = ()> + Send) {
    let metrics = Metrics::new("test");
    let order_metrics = OrderMetrics::register(&metrics, limit);
    let batches = OrderBatchStore { store, limit, clock_check: unchecked_clock(), metrics: order_metrics };
    WriterHandle::new(batches, WriterMetrics::register(&metrics, "order"), WriteHealth::default())
}

struct Writers {
    writers: Vec<WriterHandle<OrderBatchStore>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    async fn new(fixture: &Fixture, limit: Sats) -> Self {
        let (mut writers, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..WRITERS {
            let (writer, task) = new_writer(fixture.another_store().await, limit);
            writers.push(writer);
            tasks.push(tokio::spawn(task));
        }
        Self { writers, tasks }
    }

    /// Submits all batches concurrently, and distributes them over the writers. Returns the decision on each order.
    async fn place_all(&self, batches: impl IntoIterator<Item = Vec<TestOrder>>) -> Vec<Decision> {
        let mut requests = JoinSet::new();
        for (n, batch) in batches.into_iter().enumerate() {
            let writer = self.writers[n % WRITERS].clone();
            requests.spawn(async move { writer.submit(commands(&batch)).await });
        }
        let decisions = requests.join_all().await.into_iter().flatten();
        decisions.map(|decision| decision.expect("each order is decided")).collect()
    }

    async fn shut_down(self) {
        drop(self.writers);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn concurrent_batches_fill_limit_exactly(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let limit = 9_000;
    let writers = Writers::new(&fixture, sats(limit)).await;
    // Batches of 1 to 5 orders of 7 to 49 satoshi: about 17,000 satoshi in total, twice the limit.
    let batches = (0..BATCHES).map(|batch| {
        let order =
            |n: usize| market_order(format!("{batch}-{n}"), i64::try_from((batch * 31 + n * 17) % 43 + 7).unwrap());
        (0..=batch % 5).map(order).collect()
    });
    let decisions = writers.place_all(batches).await;
    let refusals = decisions.iter().filter(|decision| matches!(decision, Decision::Refused(_))).count();
    assert!(refusals > 0 && refusals < decisions.len(), "{refusals} of {}", decisions.len());
    for decision in &decisions {
        if let Decision::Refused(_) = decision {
            let (reason, remaining) = expect_refused(decision);
            // A refused order is larger than the remaining amount.
            assert!(reason == LimitExceeded && (0..49).contains(&remaining.unwrap()), "{decision:?}");
        }
    }
    let (count, sum) = fixture.check_tables().await;
    assert_eq!(usize::try_from(count).unwrap(), decisions.len() - refusals);
    let acknowledged: i64 = decisions
        .iter()
        .filter_map(|d| if let Decision::Placed(placed) = d { Some(placed.order.bitcoin_amount.get()) } else { None })
        .sum();
    assert_eq!(acknowledged, sum);
    assert!((limit - 7..=limit).contains(&sum), "{sum}");

    // Orders of one satoshi fill the limit exactly.
    let remaining_sats = limit - sum;
    let more = writers.place_all((0..remaining_sats + 20).map(|n| vec![market_order(format!("last-{n}"), 1)])).await;
    let fitted = more.iter().filter(|decision| matches!(decision, Decision::Placed(_))).count();
    assert_eq!(i64::try_from(fitted).unwrap(), remaining_sats);
    assert_eq!(fixture.check_tables().await, (count + remaining_sats, limit));
    writers.shut_down().await;
}

async fn one_idempotency_key_at_all_writers_places_one_order(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let writers = Writers::new(&fixture, sats(1_000)).await;
    let decisions = writers.place_all((0..50).map(|_| vec![market_order("a", 10)])).await;
    let ids: BTreeSet<_> = decisions.iter().map(|decision| expect_placed(decision).0.id).collect();
    let created = decisions.iter().filter(|decision| !expect_placed(decision).1).count();
    assert_eq!((ids.len(), created), (1, 1));
    assert_eq!(fixture.check_tables().await, (1, 10));
    writers.shut_down().await;
}

async fn writer_completes_queued_commands_before_shutdown(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let writers = Arc::new(Writers::new(&fixture, sats(1_000)).await);
    let mut requests = JoinSet::new();
    for n in 0..100 {
        let writer = writers.writers[n % WRITERS].clone();
        requests.spawn(async move { writer.submit(commands(&[market_order(n, 1)])).await.remove(0) });
    }
    // Each task drops its handle when it has its decision.
    Arc::into_inner(writers).unwrap().shut_down().await;
    assert!(requests.join_all().await.into_iter().all(|decision| !expect_placed(&decision.unwrap()).1));
    assert_eq!(fixture.check_tables().await, (100, 100));
}

/// A client that lost its connection possibly retries at another instance, which refuses the order. The first request
/// must then not place the order.
async fn cancelled_order_is_not_placed(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (writer, task) = new_writer(fixture.another_store().await, sats(1_000));
    // The caller drops the request before the writer decides it.
    assert!(
        writer
            .submit(commands(&[market_order("cancelled", 10), market_order("cancelled-too", 10)]))
            .now_or_never()
            .is_none()
    );
    let waiting = tokio::spawn(async move { writer.submit(commands(&[market_order("waiting", 1)])).await.remove(0) });
    task.await;
    assert!(!expect_placed(&waiting.await.unwrap().unwrap()).1);
    assert_eq!(fixture.check_tables().await, (1, 1));
}

/// The first request of a client waits in the queue of one db-proxy. Another db-proxy refuses the retry. The first
/// request is then refused too, even if its order fits under the limit.
async fn delayed_duplicate_of_refused_order_is_refused(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (first_store, second_store) = (fixture.store.clone(), fixture.another_store().await);
    let (limit, start) = (sats(100), Timestamp::now());
    let at = |second| start.plus(Duration::from_secs(second));
    let order_at = |key, second| TestOrder { requested_at: at(second), ..market_order(key, 50) };
    for (key, without_price) in [("a", false), ("b", true)] {
        let mut first = commands(&[order_at(key, 0)]);
        let mut retry = order_at(key, 2);
        let refusal = if without_price {
            retry.price = None;
            (PriceUnavailable, None)
        } else {
            commit(&first_store, &mut [quote_command(60, Duration::from_secs(2))], limit, at(1)).await;
            (LimitExceeded, Some(40))
        };
        let decisions = commit(&second_store, &mut commands(&[retry]), limit, at(2)).await;
        assert_eq!(expect_refused(&decisions[0]), refusal);
        for second in [4, 5] {
            assert_eq!(expect_refused(&commit(&first_store, &mut first, limit, at(second)).await[0]), refusal, "{key}");
        }
    }
    assert_eq!(fixture.check_tables().await, (0, 0));
    // The refusal does not affect a request that was sent later.
    assert!(!expect_placed(&commit(&first_store, &mut commands(&[order_at("a", 3)]), limit, at(6)).await[0]).1);
    assert_eq!(
        expect_refused(
            &commit(
                &first_store,
                &mut commands(&[
                    TestOrder { amount: "70".parse().unwrap(), ..order_at("c", 6) },
                    order_at("d", 6),
                    order_at("e", 6)
                ]),
                limit,
                at(7)
            )
            .await[1]
        ),
        (LimitExceeded, Some(0))
    );
    // A delayed retry of a placed order returns the order.
    assert!(expect_placed(&commit(&first_store, &mut commands(&[order_at("a", 0)]), limit, at(8)).await[0]).1);
    // Only refusals that are older than the given time are deleted.
    assert_eq!(fixture.store.delete_refusals(at(7), 10).await.unwrap(), 2);
    assert_eq!(fixture.store.delete_refusals(at(8), 1).await.unwrap(), 1);
    assert_eq!(fixture.store.delete_refusals(at(8), 10).await.unwrap(), 1);
    assert_eq!(fixture.store.delete_refusals(at(8), 10).await.unwrap(), 0);
}
