//! Keys, prices and the limit, one group after the other.

use common::{
    api::orders::RefusalReason::{KeyReused, LimitExceeded, PriceUnavailable},
    time::Timestamp,
};
use db_proxy::{
    group_commit::Attempt,
    orders::{ClientKey, DecisionContext},
};
use tests::{Stack, on_both_stacks};

use super::{Fixture, NO_LIMIT, commands, commit, entry, of, placed, refused, sats};

on_both_stacks!(
    batch_commands_are_decided_in_sequence,
    key_returns_same_order_after_restart,
    keys_are_scoped_by_client,
    limit_is_enforced_to_the_satoshi,
    expired_price_refuses_new_orders_and_allows_replays,
    created_at_increases_when_clock_moves_backwards,
    commit_is_sent_only_for_changes,
    keys_with_special_syntax_are_stored_literally,
);

async fn batch_commands_are_decided_in_sequence(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let group = [entry("a", 10), entry("b", 200), of("USD", "5", entry("a", 10)), entry("c", 20), entry("a", 10)];
    let decisions = fixture.place(&group, sats(100)).await;
    let (first, replayed) = placed(&decisions[0]);
    assert!(!replayed);
    assert_eq!(refused(&decisions[1]), (LimitExceeded, Some(90)));
    assert_eq!(refused(&decisions[2]), (KeyReused, None));
    assert_eq!(placed(&decisions[3]).0.bitcoin_amount, sats(20));
    assert_eq!(placed(&decisions[4]), (first, true));
    assert_eq!(fixture.check_tables().await, (2, 30));
    assert_eq!(fixture.store.orders(&[first.id]).await.unwrap().pop().as_ref(), Some(first));
}

async fn key_returns_same_order_after_restart(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_one(entry("a", 10)).await;
    // Also with another price, and when the limit is full.
    let again = fixture.place(&[entry("a", 99)], sats(10)).await;
    assert_eq!(placed(&again[0]), (&order, true));
    // Also after a restart.
    fixture.connections.close().await;
    let store = fixture.another_store().await;
    let again = commit(&store, &mut commands(&[entry("a", 10)]), sats(10), Timestamp::now()).await;
    assert_eq!(placed(&again[0]), (&order, true));
    let other = of("EUR", "69.0001", entry("a", 10));
    let other = commit(&store, &mut commands(&[other]), sats(10), Timestamp::now()).await;
    assert_eq!(refused(&other[0]), (KeyReused, None));
    assert_eq!(store.totals().await.unwrap().orders, 1);
}

async fn keys_are_scoped_by_client(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut other = entry("a", 10);
    other.key = ClientKey { client: "somebody".to_owned(), ..other.key };
    let decisions = fixture.place(&[entry("a", 10), other], NO_LIMIT).await;
    assert!(decisions.iter().all(|decision| !placed(decision).1));
    assert_eq!(fixture.check_tables().await, (2, 20));
}

async fn limit_is_enforced_to_the_satoshi(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let limit = sats(100);
    placed(&fixture.place(&[entry("a", 60)], limit).await[0]);
    assert_eq!(refused(&fixture.place(&[entry("b", 41)], limit).await[0]), (LimitExceeded, Some(40)));
    placed(&fixture.place(&[entry("c", 39)], limit).await[0]);
    placed(&fixture.place(&[entry("b", 1)], limit).await[0]);
    assert_eq!(refused(&fixture.place(&[entry("d", 1)], limit).await[0]), (LimitExceeded, Some(0)));
    // A limit that was lowered below what there is refuses, and loses nothing.
    assert_eq!(refused(&fixture.place(&[entry("e", 1)], sats(50)).await[0]), (LimitExceeded, Some(0)));
    assert_eq!(fixture.check_tables().await, (3, 100));
}

async fn expired_price_refuses_new_orders_and_allows_replays(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_one(entry("a", 10)).await;
    let (mut without, mut over) = (entry("b", 10), entry("c", 10));
    without.price = None;
    over.price.as_mut().unwrap().expires_at = Timestamp::now();
    let (mut again, mut again_over) = (without.clone(), over.clone());
    (again.key, again_over.key) = (entry("a", 1).key, entry("a", 1).key);
    let decisions = fixture.place(&[without, over, again, again_over], NO_LIMIT).await;
    assert_eq!(refused(&decisions[0]), (PriceUnavailable, None));
    assert_eq!(refused(&decisions[1]), (PriceUnavailable, None));
    assert_eq!(placed(&decisions[2]), (&order, true));
    assert_eq!(placed(&decisions[3]), (&order, true));
    assert_eq!(fixture.check_tables().await, (1, 10));
}

async fn created_at_increases_when_clock_moves_backwards(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let now = Timestamp::now();
    for (n, at) in [now, Timestamp::from_micros(now.micros() - 3_600_000_000).unwrap(), now].into_iter().enumerate() {
        let group = [entry(format!("{n}-a"), 1), entry(format!("{n}-b"), 1)];
        commit(&fixture.store, &mut commands(&group), sats(100), at).await;
    }
    assert_eq!(fixture.check_tables().await, (6, 6));
}

async fn commit_is_sent_only_for_changes(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let now = Timestamp::now();
    // An order; its repeat; a refusal, which is recorded; the same once more.
    let group = [entry("a", 1), entry("b", 1)];
    let group = group.map(|entry| super::Entry { requested_at: now, ..entry });
    for (group, writes) in [(&group[..1], true), (&group[..1], false), (&group[..], true), (&group[..], false)] {
        let mut attempt = Attempt::default();
        let context = DecisionContext { limit: sats(1), clock: &|| now };
        fixture.store.commit_batch(context, &mut commands(group), &mut attempt).await.unwrap();
        assert_eq!(attempt.commit_sent, writes);
    }
}

async fn keys_with_special_syntax_are_stored_literally(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let keys = [
        "'", "\"", "\\", "{}", "[\"a\"]", "$1", "?1", "null", "1", "01", "1.0", "1e0", "--", ";drop", "%", "\\N",
        "true",
    ];
    let group: Vec<_> = keys.iter().map(|key| entry(key, 1)).collect();
    assert!(fixture.place(&group, NO_LIMIT).await.iter().all(|decision| !placed(decision).1));
    for key in keys {
        let again = fixture.place(&[entry(key, 1)], NO_LIMIT).await;
        assert!(placed(&again[0]).1, "{key}");
    }
    assert_eq!(usize::try_from(fixture.check_tables().await.0).unwrap(), keys.len());
}
