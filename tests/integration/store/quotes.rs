//! Quotes: their reservation, the order that takes them, and their expiry.

use std::time::Duration;

use common::{
    api::{
        orders::RefusalReason::{LimitExceeded, QuoteExpired, QuoteTaken, QuoteUnknown},
        prices::PriceState,
        quotes::Quote,
    },
    ids::QuoteId,
    time::Timestamp,
};
use db_proxy::orders::{Command, Decision, OrderTerms, PlaceCommand, QuoteCommand};
use tests::Stack;

use super::{Fixture, commands, commit, entry, placed, refused, sats};

tests::on_both_stacks!(
    quote_reserves_bitcoin_and_one_order_takes_it,
    expired_quote_returns_reservation,
    quote_is_stored_exactly,
    retention_deletes_only_old_keys_and_settled_quotes,
);

pub(super) fn hold(satoshi: i64, duration: Duration) -> Command {
    let super::Entry { currency, amount, price, .. } = entry("unused", satoshi);
    Command::Quote(QuoteCommand { currency, amount, price: price.unwrap(), duration, attempted_ids: Vec::new() })
}

fn take(key: &str, id: QuoteId) -> Command {
    let super::Entry { key, requested_at, .. } = entry(key, 1);
    Command::Place(PlaceCommand { key, terms: OrderTerms::Quote(id), requested_at, attempted_ids: Vec::new() })
}

#[track_caller]
fn held(decision: &Decision) -> Quote {
    match decision {
        Decision::Quoted(quote) => quote.clone(),
        other => panic!("not held: {other:?}"),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

async fn quote_reserves_bitcoin_and_one_order_takes_it(stack: Stack) {
    let Fixture { store, .. } = &Fixture::new(stack).await;
    let (limit, now) = (sats(100), Timestamp::now());
    let decisions = commit(store, &mut [hold(60, MINUTE), hold(41, MINUTE)], limit, now).await;
    let quote = held(&decisions[0]);
    assert_eq!(refused(&decisions[1]), (LimitExceeded, Some(40)));
    assert_eq!(
        refused(&commit(store, &mut commands(&[entry("a", 41)]), limit, now).await[0]),
        (LimitExceeded, Some(40))
    );

    let takers = &mut [take("b", quote.id), take("c", quote.id), take("b", quote.id), take("d", QuoteId(uuid()))];
    let decisions = commit(store, takers, limit, now).await;
    let (order, replayed) = placed(&decisions[0]);
    assert!(!replayed && (order.exchange_rate, order.bitcoin_amount) == (quote.exchange_rate, quote.bitcoin_amount));
    assert_eq!(refused(&decisions[1]).0, QuoteTaken);
    assert_eq!(placed(&decisions[2]), (order, true));
    assert_eq!(refused(&decisions[3]).0, QuoteUnknown);
    // Also in a group of its own, and by the key of then.
    let decisions = commit(store, &mut [take("e", quote.id), take("b", quote.id)], limit, now).await;
    assert_eq!((refused(&decisions[0]).0, placed(&decisions[1])), (QuoteTaken, (order, true)));

    let totals = store.totals().await.unwrap();
    assert_eq!((totals.orders, totals.bitcoin, totals.reserved), (1, sats(60), sats(0)));
}

fn uuid() -> uuid::Uuid {
    uuid::Uuid::from_u128(7)
}

async fn expired_quote_returns_reservation(stack: Stack) {
    let Fixture { store, .. } = &Fixture::new(stack).await;
    let (limit, now) = (sats(100), Timestamp::now());
    let quote = held(&commit(store, &mut [hold(60, Duration::from_secs(5))], limit, now).await[0]);
    let just_before = now.plus(Duration::from_micros(4_999_999));
    commit(store, &mut [], limit, just_before).await;
    assert_eq!(store.totals().await.unwrap().reserved, sats(60));
    commit(store, &mut [], limit, quote.expires_at).await;
    assert_eq!(store.totals().await.unwrap().reserved, sats(0));
    let late = quote.expires_at;
    assert_eq!(refused(&commit(store, &mut [take("a", quote.id)], limit, late).await[0]).0, QuoteExpired);
    placed(&commit(store, &mut commands(&[entry("b", 100)]), limit, late).await[0]);
}

async fn quote_is_stored_exactly(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut asked = hold(12, MINUTE);
    let Command::Quote(prolonged) = &mut asked else { panic!("a quote is held") };
    prolonged.price.price_state = PriceState::Prolonged;
    let quote = held(&commit(&fixture.store, &mut [asked], sats(100), Timestamp::now()).await[0]);
    let other = fixture.another_store().await;
    let decisions = commit(&other, &mut [take("a", quote.id)], sats(100), Timestamp::now()).await;
    let order = placed(&decisions[0]).0;
    assert_eq!(
        (order.currency, order.amount, order.exchange_rate, order.bitcoin_amount, order.price_as_of, order.simulated),
        (quote.currency, quote.amount, quote.exchange_rate, quote.bitcoin_amount, quote.price_as_of, quote.simulated),
    );
    assert_eq!((quote.price_state, order.price_state), (PriceState::Prolonged, PriceState::Prolonged));
    assert_eq!(fixture.store.orders(&[order.id]).await.unwrap().first(), Some(order));
    let states = "select q.price_state, r.price_state from quotes q join orders_readable r on true";
    assert_eq!(fixture.look(states).await, [["prolonged", "prolonged"]]);
    let sources = fixture.look("select price_sources from orders").await;
    assert_eq!(sources, [["alpha,beta"]]);
}

async fn retention_deletes_only_old_keys_and_settled_quotes(stack: Stack) {
    let Fixture { store, .. } = &Fixture::new(stack).await;
    let (limit, now) = (sats(1000), Timestamp::now());
    let taken = held(&commit(store, &mut [hold(1, MINUTE)], limit, now).await[0]);
    let open = held(&commit(store, &mut [hold(1, 60 * MINUTE)], limit, now).await[0]);
    commit(store, &mut [take("a", taken.id)], limit, now).await;
    commit(store, &mut commands(&[entry("b", 1), entry("c", 1)]), limit, now).await;

    assert_eq!(store.remove_keys_and_quotes(now, 10).await.unwrap(), 0, "nothing is older than now");
    let later = now.plus(MINUTE);
    assert_eq!(
        store.remove_keys_and_quotes(later, 2).await.unwrap(),
        2 + 1,
        "two keys at a time, and the quote that was taken"
    );
    assert_eq!(store.remove_keys_and_quotes(later, 2).await.unwrap(), 1);
    assert_eq!(store.remove_keys_and_quotes(later, 2).await.unwrap(), 0);
    // The orders stay; a key that was forgotten is free; the quote that is held can still be taken.
    assert_eq!(store.totals().await.unwrap().orders, 3);
    let decisions = commit(store, &mut [take("b", open.id)], limit, later).await;
    assert!(!placed(&decisions[0]).1);
}
