//! Quotes: their reservation, the order that takes them, and their expiry.

use std::time::Duration;

use common::{
    api::{
        orders::{
            Annotations, OrderedBy, OwnerFilter,
            RefusalReason::{LimitExceeded, QuoteExpired, QuoteTaken, QuoteUnknown},
        },
        prices::PriceState,
        quotes::{ExceededCap, Quote, QuoteCap, QuoteState},
    },
    config::Caller,
    ids::QuoteId,
    time::Timestamp,
};
use db_proxy::orders::{
    CapsExceeded, Command, Decision, OrderTerms, PlaceCommand, QuoteCaps, QuoteCommand, ReleaseQuoteCommand,
};
use tests::Stack;

use super::{Fixture, commands, commit, expect_placed, expect_refused, market_order, no_limit, sats};

tests::on_both_stacks!(
    quote_reserves_bitcoin_and_one_order_takes_it,
    expired_quote_returns_reservation,
    quote_from_the_future_returns_reservation,
    quote_is_stored_exactly,
    open_quotes_of_a_client_have_a_cap,
    retention_deletes_only_old_keys_and_closed_quotes,
    stored_quote_has_its_state_and_its_order,
);

/// A command that creates a quote for this many satoshi.
pub(super) fn quote_command(satoshi: i64, duration: Duration) -> Command {
    let super::TestOrder { currency, amount, price, .. } = market_order("unused", satoshi);
    let caps = QuoteCaps { quote: Some(no_limit()), client: Some(no_limit()), all_quotes: Some(no_limit()) };
    let (price, client) = (price.unwrap(), None);
    Command::Quote(QuoteCommand {
        currency,
        amount,
        ordered_by: OrderedBy::Amount,
        price,
        duration,
        client,
        user: None,
        caps,
        written_by: Caller::CREATE_ORDER,
        attempted_ids: Vec::new(),
    })
}

/// A command that creates a quote for a client. The open quotes of the client may reserve at most 50 satoshi.
fn quote_of_client(client: &str, satoshi: i64, duration: Duration) -> Command {
    let Command::Quote(command) = quote_command(satoshi, duration) else { panic!("not a quote") };
    let caps = QuoteCaps { client: Some(sats(50)), ..command.caps };
    Command::Quote(QuoteCommand { client: Some(client.to_owned()), caps, ..command })
}

/// A command that places an order at the price of a quote.
fn take_command(key: &str, id: QuoteId) -> Command {
    let super::TestOrder { key, requested_at, .. } = market_order(key, 1);
    Command::Place(PlaceCommand {
        key,
        user: None,
        terms: OrderTerms::Quote(id),
        annotations: Annotations::default(),
        wallets: None,
        requested_at,
        written_by: Caller::CREATE_ORDER,
        attempted_ids: Vec::new(),
    })
}

fn release_command(id: QuoteId) -> Command {
    Command::ReleaseQuote(ReleaseQuoteCommand { id, owner: OwnerFilter::Anonymous })
}

/// The quote of a decision. Panics when none was created.
#[track_caller]
pub(super) fn expect_quote(decision: &Decision) -> Quote {
    match decision {
        Decision::Quoted(quote) => quote.clone(),
        other => panic!("no quote: {other:?}"),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

async fn quote_reserves_bitcoin_and_one_order_takes_it(stack: Stack) {
    let Fixture { store, .. } = &Fixture::new(stack).await;
    let (limit, now) = (sats(100), Timestamp::now());
    let decisions = commit(store, &mut [quote_command(60, MINUTE), quote_command(41, MINUTE)], limit, now).await;
    let quote = expect_quote(&decisions[0]);
    assert_eq!(expect_refused(&decisions[1]), (LimitExceeded, Some(40)));
    assert_eq!(
        expect_refused(&commit(store, &mut commands(&[market_order("a", 41)]), limit, now).await[0]),
        (LimitExceeded, Some(40))
    );

    let commands = &mut [
        take_command("b", quote.id),
        take_command("c", quote.id),
        take_command("b", quote.id),
        take_command("d", QuoteId(unknown_id())),
    ];
    let decisions = commit(store, commands, limit, now).await;
    let (order, replayed) = expect_placed(&decisions[0]);
    assert!(!replayed && (order.exchange_rate, order.bitcoin_amount) == (quote.exchange_rate, quote.bitcoin_amount));
    assert_eq!(expect_refused(&decisions[1]).0, QuoteTaken);
    assert_eq!(expect_placed(&decisions[2]), (order, true));
    assert_eq!(expect_refused(&decisions[3]).0, QuoteUnknown);
    // Another batch has the same results.
    let decisions = commit(store, &mut [take_command("e", quote.id), take_command("b", quote.id)], limit, now).await;
    assert_eq!((expect_refused(&decisions[0]).0, expect_placed(&decisions[1])), (QuoteTaken, (order, true)));

    let totals = store.totals().await.unwrap();
    assert_eq!((totals.orders, totals.bitcoin, totals.reserved), (1, sats(60), sats(0)));
}

fn unknown_id() -> uuid::Uuid {
    uuid::Uuid::from_u128(7)
}

async fn expired_quote_returns_reservation(stack: Stack) {
    let Fixture { store, .. } = &Fixture::new(stack).await;
    let (limit, now) = (sats(100), Timestamp::now());
    let quote = expect_quote(&commit(store, &mut [quote_command(60, Duration::from_secs(5))], limit, now).await[0]);
    let just_before = now.plus(Duration::from_micros(4_999_999));
    commit(store, &mut [], limit, just_before).await;
    assert_eq!(store.totals().await.unwrap().reserved, sats(60));
    commit(store, &mut [], limit, quote.expires_at).await;
    assert_eq!(store.totals().await.unwrap().reserved, sats(0));
    let at_expiry = quote.expires_at;
    assert_eq!(
        expect_refused(&commit(store, &mut [take_command("a", quote.id)], limit, at_expiry).await[0]).0,
        QuoteExpired
    );
    expect_placed(&commit(store, &mut commands(&[market_order("b", 100)]), limit, at_expiry).await[0]);
}

/// The clock was an hour ahead when the quote was created.
async fn quote_from_the_future_returns_reservation(stack: Stack) {
    let Fixture { store, .. } = &Fixture::new(stack).await;
    let (limit, now) = (sats(100), Timestamp::now());
    let ahead = now.plus(Duration::from_secs(3600));
    let mut command = quote_command(60, MINUTE);
    let Command::Quote(quote) = &mut command else { panic!("the command creates no quote") };
    (quote.price.as_of, quote.price.expires_at) = (ahead, ahead.plus(MINUTE));
    let quote = expect_quote(&commit(store, &mut [command], limit, ahead).await[0]);
    let open = expect_quote(&commit(store, &mut [quote_command(10, MINUTE)], limit, now).await[0]);
    assert_eq!(store.totals().await.unwrap().reserved, sats(10));
    assert_eq!(expect_refused(&commit(store, &mut [take_command("a", quote.id)], limit, now).await[0]).0, QuoteExpired);
    expect_placed(&commit(store, &mut [take_command("b", open.id)], limit, now).await[0]);
}

async fn quote_is_stored_exactly(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut command = quote_command(12, MINUTE);
    let Command::Quote(prolonged) = &mut command else { panic!("the command creates no quote") };
    prolonged.price.price_state = PriceState::Prolonged;
    let quote = expect_quote(&commit(&fixture.store, &mut [command], sats(100), Timestamp::now()).await[0]);
    let second_store = fixture.another_store().await;
    let decisions = commit(&second_store, &mut [take_command("a", quote.id)], sats(100), Timestamp::now()).await;
    let order = expect_placed(&decisions[0]).0;
    assert_eq!(
        (order.currency, order.amount, order.exchange_rate, order.bitcoin_amount, order.price_as_of, order.simulated),
        (quote.currency, quote.amount, quote.exchange_rate, quote.bitcoin_amount, quote.price_as_of, quote.simulated),
    );
    assert_eq!((quote.price_state, order.price_state), (PriceState::Prolonged, PriceState::Prolonged));
    assert_eq!(fixture.store.orders_by_id(&[order.id]).await.unwrap().first(), Some(order));
    let states = "select q.price_state, r.price_state from quotes q join orders_readable r on true";
    assert_eq!(fixture.query_text(states).await, [["prolonged", "prolonged"]]);
    let sources = fixture.query_text("select price_sources from orders").await;
    assert_eq!(sources, [["alpha,beta"]]);
}

async fn retention_deletes_only_old_keys_and_closed_quotes(stack: Stack) {
    let Fixture { store, .. } = &Fixture::new(stack).await;
    let (limit, now) = (sats(1000), Timestamp::now());
    let taken = expect_quote(&commit(store, &mut [quote_command(1, MINUTE)], limit, now).await[0]);
    let open = expect_quote(&commit(store, &mut [quote_command(1, 60 * MINUTE)], limit, now).await[0]);
    commit(store, &mut [take_command("a", taken.id)], limit, now).await;
    commit(store, &mut commands(&[market_order("b", 1), market_order("c", 1)]), limit, now).await;

    assert_eq!(store.delete_keys(now, 10).await.unwrap(), 0, "no key is older than now");
    assert_eq!(store.delete_closed_quotes(now, 10).await.unwrap(), 0, "no quote is older than now");
    let later = now.plus(MINUTE);
    for deleted in [2, 1, 0] {
        assert_eq!(store.delete_keys(later, 2).await.unwrap(), deleted);
    }
    for deleted in [1, 0] {
        assert_eq!(store.delete_closed_quotes(later, 2).await.unwrap(), deleted, "only the taken quote is closed");
    }
    // The orders remain, a deleted key can be used again, and the open quote can be taken.
    assert_eq!(store.totals().await.unwrap().orders, 3);
    let decisions = commit(store, &mut [take_command("b", open.id)], limit, later).await;
    assert!(!expect_placed(&decisions[0]).1);
}

async fn open_quotes_of_a_client_have_a_cap(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let now = Timestamp::now();
    let commit = async |time: Timestamp, command: Command| {
        commit(&fixture.store, &mut [command], no_limit(), time).await.remove(0)
    };
    let refused = |remaining| {
        let caps = vec![ExceededCap { cap: QuoteCap::Client, remaining: sats(remaining) }];
        Decision::QuoteCapExceeded(CapsExceeded { remaining_limit: None, caps })
    };
    let first = expect_quote(&commit(now, quote_of_client("ip:192.0.2.1", 30, MINUTE)).await);
    expect_quote(&commit(now, quote_of_client("ip:192.0.2.1", 15, MINUTE * 5)).await);
    assert_eq!(commit(now, quote_of_client("ip:192.0.2.1", 6, MINUTE)).await, refused(5));
    expect_quote(&commit(now, quote_of_client("ip:192.0.2.2", 50, MINUTE)).await);
    // When a quote is taken or expires, its client can create another one.
    expect_placed(&commit(now, take_command("a", first.id)).await);
    expect_quote(&commit(now, quote_of_client("ip:192.0.2.1", 35, MINUTE)).await);
    assert_eq!(commit(now, quote_of_client("ip:192.0.2.1", 1, MINUTE)).await, refused(0));
    let later = now.plus(MINUTE * 2);
    expect_quote(&commit(later, quote_of_client("ip:192.0.2.1", 35, MINUTE)).await);
    assert_eq!(commit(later, quote_of_client("ip:192.0.2.1", 1, MINUTE)).await, refused(0));
}

async fn stored_quote_has_its_state_and_its_order(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let (limit, now) = (no_limit(), Timestamp::now());
    let seconds = Duration::from_secs;
    let quotes = &mut [10, 20, 30, 40].map(|satoshi| quote_command(satoshi, seconds(satoshi.unsigned_abs())));
    let quotes: Vec<_> = commit(&fixture.store, quotes, limit, now).await.iter().map(expect_quote).collect();
    let [expired, taken, released, open] = [0, 1, 2, 3].map(|index| quotes[index].id);
    let commands = &mut [take_command("a", taken), release_command(released)];
    let decisions = commit(&fixture.store, commands, limit, now.plus(seconds(10))).await;
    let order = expect_placed(&decisions[0]).0.id;
    assert!(matches!(&decisions[1], Decision::QuoteReleased(quote) if quote.state == QuoteState::Released));

    let second_store = fixture.another_store().await;
    for (id, state, order) in [
        (expired, QuoteState::Expired, None),
        (taken, QuoteState::Taken, Some(order)),
        (released, QuoteState::Released, None),
        (open, QuoteState::Open, None),
    ] {
        let stored = second_store.quote_by_id(id).await.unwrap().unwrap().quote;
        let created = quotes.iter().find(|quote| quote.id == id).unwrap();
        assert_eq!(stored, Quote { state, order_id: order, ..created.clone() });
    }
    assert_eq!(second_store.quote_by_id(QuoteId(unknown_id())).await.unwrap(), None);
    assert_eq!(second_store.totals().await.unwrap().reserved, sats(40));
    // The column has only values that a db-proxy of the previous release can read, so a quote that its client released
    // is stored as `expired`.
    let states = fixture.query_text("select state from quotes order by bitcoin_sats").await;
    assert_eq!(states, [["expired"], ["taken"], ["expired"], ["held"]]);
    // A repeated release has no effect. Retention deletes a released quote like an expired quote.
    let released_at = "select cast(released_at as text) from quotes where released_at is not null";
    let before = fixture.query_text(released_at).await;
    commit(&fixture.store, &mut [release_command(released)], limit, now.plus(seconds(11))).await;
    assert_eq!((fixture.query_text(released_at).await, before.len()), (before.clone(), 1));
    assert_eq!(second_store.delete_closed_quotes(now.plus(MINUTE), 10).await.unwrap(), 3);
}
