//! Several writers on one database, like those of several processes of db-proxy.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{
    api::orders::RefusalReason::{LimitExceeded, PriceUnavailable},
    metrics::Metrics,
    money::Sats,
    time::Timestamp,
};
use db_proxy::{
    group_commit::{Writer, WriterMetrics},
    orders::{Decision, OrderBatches, OrderStore},
};
use futures_util::FutureExt;
use tests::{Stack, on_both_stacks};
use tokio::task::{JoinHandle, JoinSet};

use super::{Entry, Fixture, commands, commit, entry, placed, quotes::hold, refused, sats};

const WRITERS: usize = 4;
const GROUPS: usize = 200;

on_both_stacks!(
    concurrent_batches_fill_limit_exactly,
    one_key_through_all_writers_places_one_order,
    writer_completes_queued_commands_before_shutdown,
    cancelled_order_is_not_placed,
    delayed_duplicate_of_refused_order_is_refused,
);

fn new_writer(store: OrderStore, limit: Sats) -> (Writer<OrderBatches>, impl Future<Output = ()> + Send) {
    let metrics = WriterMetrics::register(&Metrics::new("test"), "order");
    Writer::new(OrderBatches { store, limit }, metrics)
}

struct Writers {
    writers: Vec<Writer<OrderBatches>>,
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

    /// Submits every group at once, to one writer after the other. Returns the decision on each order.
    async fn place_all(&self, groups: impl IntoIterator<Item = Vec<Entry>>) -> Vec<Decision> {
        let mut waiting = JoinSet::new();
        for (n, group) in groups.into_iter().enumerate() {
            let writer = self.writers[n % WRITERS].clone();
            waiting.spawn(async move { writer.submit(commands(&group)).await });
        }
        let answers = waiting.join_all().await.into_iter().flatten();
        answers.map(|answer| answer.expect("each order is decided")).collect()
    }

    async fn end(self) {
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
    // Groups of 1 to 5 orders of 7 to 49 satoshi: about 17,000 in all, twice the limit.
    let groups = (0..GROUPS).map(|group| {
        let order = |n: usize| entry(format!("{group}-{n}"), i64::try_from((group * 31 + n * 17) % 43 + 7).unwrap());
        (0..=group % 5).map(order).collect()
    });
    let decisions = writers.place_all(groups).await;
    let refusals = decisions.iter().filter(|decision| matches!(decision, Decision::Refused(_))).count();
    assert!(refusals > 0 && refusals < decisions.len(), "{refusals} of {}", decisions.len());
    for decision in &decisions {
        if let Decision::Refused(_) = decision {
            let (reason, remaining) = refused(decision);
            // What did not fit was more than what was left.
            assert!(reason == LimitExceeded && (0..49).contains(&remaining.unwrap()), "{decision:?}");
        }
    }
    let (count, sum) = fixture.check_tables().await;
    assert_eq!(usize::try_from(count).unwrap(), decisions.len() - refusals);
    let told: i64 = decisions
        .iter()
        .filter_map(|d| if let Decision::Placed(placed) = d { Some(placed.order.bitcoin_amount.get()) } else { None })
        .sum();
    assert_eq!(told, sum);
    assert!((limit - 7..=limit).contains(&sum), "{sum}");

    // Orders of one satoshi fill what is left, and not one more is let in.
    let left = limit - sum;
    let more = writers.place_all((0..left + 20).map(|n| vec![entry(format!("last-{n}"), 1)])).await;
    let fitted = more.iter().filter(|decision| matches!(decision, Decision::Placed(_))).count();
    assert_eq!(i64::try_from(fitted).unwrap(), left);
    assert_eq!(fixture.check_tables().await, (count + left, limit));
    writers.end().await;
}

async fn one_key_through_all_writers_places_one_order(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let writers = Writers::new(&fixture, sats(1_000)).await;
    let decisions = writers.place_all((0..50).map(|_| vec![entry("a", 10)])).await;
    let ids: BTreeSet<_> = decisions.iter().map(|decision| placed(decision).0.id).collect();
    let new = decisions.iter().filter(|decision| !placed(decision).1).count();
    assert_eq!((ids.len(), new), (1, 1));
    assert_eq!(fixture.check_tables().await, (1, 10));
    writers.end().await;
}

async fn writer_completes_queued_commands_before_shutdown(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let writers = Arc::new(Writers::new(&fixture, sats(1_000)).await);
    let mut waiting = JoinSet::new();
    for n in 0..100 {
        let writer = writers.writers[n % WRITERS].clone();
        waiting.spawn(async move { writer.submit(commands(&[entry(n, 1)])).await.remove(0) });
    }
    // Each task drops its handle when it has its answer.
    Arc::into_inner(writers).unwrap().end().await;
    assert!(waiting.join_all().await.into_iter().all(|answer| !placed(&answer.unwrap()).1));
    assert_eq!(fixture.check_tables().await, (100, 100));
}

/// A client whose connection broke may retry elsewhere, and may be refused there.
async fn cancelled_order_is_not_placed(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (writer, task) = new_writer(fixture.another_store().await, sats(1_000));
    // Its caller leaves before the writer decides it.
    assert!(writer.submit(commands(&[entry("gone", 10), entry("gone-too", 10)])).now_or_never().is_none());
    let waiting = tokio::spawn(async move { writer.submit(commands(&[entry("there", 1)])).await.remove(0) });
    task.await;
    assert!(!placed(&waiting.await.unwrap().unwrap()).1);
    assert_eq!(fixture.check_tables().await, (1, 1));
}

/// The first request of a client waits in the queue of one db-proxy although its sender died. Another db-proxy refuses the
/// repeat. The first request is then refused too, even if it would fit by now.
async fn delayed_duplicate_of_refused_order_is_refused(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (here, elsewhere) = (fixture.store.clone(), fixture.another_store().await);
    let (limit, start) = (sats(100), Timestamp::now());
    let at = |second| start.plus(Duration::from_secs(second));
    let asked = |key, second| Entry { requested_at: at(second), ..entry(key, 50) };
    for (key, without_price) in [("a", false), ("b", true)] {
        let mut first = commands(&[asked(key, 0)]);
        let mut repeat = asked(key, 2);
        let refusal = if without_price {
            repeat.price = None;
            (PriceUnavailable, None)
        } else {
            commit(&here, &mut [hold(60, Duration::from_secs(2))], limit, at(1)).await;
            (LimitExceeded, Some(40))
        };
        let decisions = commit(&elsewhere, &mut commands(&[repeat]), limit, at(2)).await;
        assert_eq!(refused(&decisions[0]), refusal);
        for second in [4, 5] {
            assert_eq!(refused(&commit(&here, &mut first, limit, at(second)).await[0]), refusal, "{key}");
        }
    }
    assert_eq!(fixture.check_tables().await, (0, 0));
    // A new request is decided anew.
    assert!(!placed(&commit(&here, &mut commands(&[asked("a", 3)]), limit, at(6)).await[0]).1);
    assert_eq!(
        refused(
            &commit(
                &here,
                &mut commands(&[
                    Entry { amount: "70".parse().unwrap(), ..asked("c", 6) },
                    asked("d", 6),
                    asked("e", 6)
                ]),
                limit,
                at(7)
            )
            .await[1]
        ),
        (LimitExceeded, Some(0))
    );
    // A repeat of a placed order returns that order, even if the repeat was delayed.
    assert!(placed(&commit(&here, &mut commands(&[asked("a", 0)]), limit, at(8)).await[0]).1);
    // Refusals are removed when they are old enough.
    assert_eq!(fixture.store.remove_refusals(at(7), 10).await.unwrap(), 2);
    assert_eq!(fixture.store.remove_refusals(at(8), 1).await.unwrap(), 1);
    assert_eq!(fixture.store.remove_refusals(at(8), 10).await.unwrap(), 1);
    assert_eq!(fixture.store.remove_refusals(at(8), 10).await.unwrap(), 0);
}
