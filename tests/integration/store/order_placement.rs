//! Idempotency keys, prices and the limit, with one batch at a time.

use common::{
    api::{
        limit::SetLimitCommand,
        orders::{
            OrderPrice,
            RefusalReason::{KeyReused, LimitExceeded, PriceUnavailable},
        },
    },
    time::Timestamp,
};
use db_proxy::{
    group_commit::Attempt,
    orders::{ClientKey, Decision, DecisionClock, DecisionContext, NewLimit},
};
use tests::{Stack, on_both_stacks};

use super::{Fixture, commands, commit, expect_placed, expect_refused, market_order, no_limit, sats, with_amount};

on_both_stacks!(
    batch_commands_are_decided_in_sequence,
    key_returns_same_order_after_restart,
    keys_are_scoped_by_client,
    limit_is_enforced_to_the_satoshi,
    expired_price_refuses_new_orders_and_allows_replays,
    created_at_increases_when_clock_moves_backwards,
    batch_applies_the_limit_that_another_process_has_set,
    commit_is_sent_only_for_changes,
    keys_with_special_syntax_are_stored_literally,
);

async fn batch_commands_are_decided_in_sequence(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let batch = [
        market_order("a", 10),
        market_order("b", 200),
        with_amount("USD", "5", market_order("a", 10)),
        market_order("c", 20),
        market_order("a", 10),
    ];
    let decisions = fixture.place(&batch, sats(100)).await;
    let (first, replayed) = expect_placed(&decisions[0]);
    assert!(!replayed);
    assert_eq!(expect_refused(&decisions[1]), (LimitExceeded, Some(90)));
    assert_eq!(expect_refused(&decisions[2]), (KeyReused, None));
    assert_eq!(expect_placed(&decisions[3]).0.bitcoin_amount, sats(20));
    assert_eq!(expect_placed(&decisions[4]), (first, true));
    assert_eq!(fixture.check_tables().await, (2, 30));
    assert_eq!(fixture.store.orders_by_id(&[first.id]).await.unwrap().pop().as_ref(), Some(first));
}

async fn key_returns_same_order_after_restart(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_new(market_order("a", 10)).await;
    // A replay ignores the current price and the limit.
    let again = fixture.place(&[market_order("a", 99)], sats(10)).await;
    assert_eq!(expect_placed(&again[0]), (&order, true));
    // The second store shares no memory with the first store.
    fixture.connections.close().await;
    let store = fixture.another_store().await;
    let again = commit(&store, &mut commands(&[market_order("a", 10)]), sats(10), Timestamp::now()).await;
    assert_eq!(expect_placed(&again[0]), (&order, true));
    let other = with_amount("EUR", "69.0001", market_order("a", 10));
    let other = commit(&store, &mut commands(&[other]), sats(10), Timestamp::now()).await;
    assert_eq!(expect_refused(&other[0]), (KeyReused, None));
    assert_eq!(store.totals().await.unwrap().orders, 1);
}

async fn keys_are_scoped_by_client(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut other = market_order("a", 10);
    other.key = ClientKey { client: "somebody".to_owned(), ..other.key };
    let decisions = fixture.place(&[market_order("a", 10), other], no_limit()).await;
    assert!(decisions.iter().all(|decision| !expect_placed(decision).1));
    assert_eq!(fixture.check_tables().await, (2, 20));
}

async fn limit_is_enforced_to_the_satoshi(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let limit = sats(100);
    expect_placed(&fixture.place(&[market_order("a", 60)], limit).await[0]);
    assert_eq!(expect_refused(&fixture.place(&[market_order("b", 41)], limit).await[0]), (LimitExceeded, Some(40)));
    expect_placed(&fixture.place(&[market_order("c", 39)], limit).await[0]);
    expect_placed(&fixture.place(&[market_order("b", 1)], limit).await[0]);
    assert_eq!(expect_refused(&fixture.place(&[market_order("d", 1)], limit).await[0]), (LimitExceeded, Some(0)));
    // If the limit is below the stored sum, new orders are refused, and stored orders do not change.
    assert_eq!(expect_refused(&fixture.place(&[market_order("e", 1)], sats(50)).await[0]), (LimitExceeded, Some(0)));
    assert_eq!(fixture.check_tables().await, (3, 100));
}

async fn expired_price_refuses_new_orders_and_allows_replays(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_new(market_order("a", 10)).await;
    let (mut without_price, mut expired) = (market_order("b", 10), market_order("c", 10));
    without_price.price = None;
    expired.price.as_mut().unwrap().expires_at = Timestamp::now();
    let (mut replay, mut expired_replay) = (without_price.clone(), expired.clone());
    (replay.key, expired_replay.key) = (market_order("a", 1).key, market_order("a", 1).key);
    let decisions = fixture.place(&[without_price, expired, replay, expired_replay], no_limit()).await;
    assert_eq!(expect_refused(&decisions[0]), (PriceUnavailable, None));
    assert_eq!(expect_refused(&decisions[1]), (PriceUnavailable, None));
    assert_eq!(expect_placed(&decisions[2]), (&order, true));
    assert_eq!(expect_placed(&decisions[3]), (&order, true));
    assert_eq!(fixture.check_tables().await, (1, 10));
}

async fn created_at_increases_when_clock_moves_backwards(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let now = Timestamp::now();
    for (n, at) in [now, Timestamp::from_micros(now.micros() - 3_600_000_000).unwrap(), now].into_iter().enumerate() {
        let order = |name| {
            let order = market_order(format!("{n}-{name}"), 1);
            let price = order.price.map(|price| OrderPrice { as_of: at, ..price });
            super::TestOrder { price, ..order }
        };
        let batch = [order("a"), order("b")];
        commit(&fixture.store, &mut commands(&batch), sats(100), at).await;
    }
    assert_eq!(fixture.check_tables().await, (6, 6));
}

/// Each change of the limit applies to the next batch of every process, and a stored limit takes precedence over the
/// setting.
async fn batch_applies_the_limit_that_another_process_has_set(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let other = fixture.another_store().await;
    let set = async |satoshi: i64| {
        let command = SetLimitCommand { limit: sats(satoshi), changed_by: "ada".parse().unwrap() };
        other.set_limit(&NewLimit::new(command, sats(7), Timestamp::now())).await.unwrap();
    };
    // Each order buys 5 satoshi. The limit in the setting, 7 satoshi, permits one order.
    let place = async |key: &str| match fixture.place(&[market_order(key, 5)], sats(7)).await.remove(0) {
        Decision::Placed(placed) => Ok(placed.replayed),
        Decision::Refused(refused) => Err(refused.remaining.unwrap().get()),
        other => panic!("{other:?}"),
    };
    assert_eq!([place("a").await, place("b").await], [Ok(false), Err(2)]);
    set(10).await;
    assert_eq!([place("c").await, place("d").await], [Ok(false), Err(0)]);
    set(6).await;
    assert_eq!([place("e").await, place("a").await], [Err(0), Ok(true)]);
    set(15).await;
    set(15).await;
    assert_eq!([place("f").await, place("g").await], [Ok(false), Err(0)]);
    set(0).await;
    assert_eq!(place("h").await, Err(0));

    assert_eq!(fixture.check_tables().await, (3, 15));
    let changes = fixture.store.limit_changes().await.unwrap();
    let limits: Vec<_> = changes.iter().map(|change| (change.old_limit.get(), change.new_limit.get())).collect();
    assert_eq!(limits, [(15, 0), (6, 15), (10, 6), (7, 10)]);
    assert!(changes.iter().all(|change| change.changed_by.as_str() == "ada"));
}

async fn commit_is_sent_only_for_changes(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let now = Timestamp::now();
    // A new order is written, and its replay is not. A new refusal is written, and the same refusal is not.
    let batch = [market_order("a", 1), market_order("b", 1)];
    let batch = batch.map(|order| super::TestOrder { requested_at: now, ..order });
    for (batch, writes) in [(&batch[..1], true), (&batch[..1], false), (&batch[..], true), (&batch[..], false)] {
        let mut attempt = Attempt::default();
        let context = DecisionContext { limit: sats(1), clock: DecisionClock::Fixed(now) };
        fixture.store.commit_batch(context, &mut commands(batch), &mut attempt).await.unwrap();
        assert_eq!(attempt.commit_sent, writes);
    }
}

async fn keys_with_special_syntax_are_stored_literally(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let keys = [
        "'", "\"", "\\", "{}", "[\"a\"]", "$1", "?1", "null", "1", "01", "1.0", "1e0", "--", ";drop", "%", "\\N",
        "true",
    ];
    let batch: Vec<_> = keys.iter().map(|key| market_order(key, 1)).collect();
    assert!(fixture.place(&batch, no_limit()).await.iter().all(|decision| !expect_placed(decision).1));
    for key in keys {
        let again = fixture.place(&[market_order(key, 1)], no_limit()).await;
        assert!(expect_placed(&again[0]).1, "{key}");
    }
    assert_eq!(usize::try_from(fixture.check_tables().await.0).unwrap(), keys.len());
}
