//! Tests of the rules about orders. The modules test further rules.

mod clocks;
mod origins;
mod paid_orders_model;
mod payment;
mod quotes;
mod reference_model;
mod same_request;
mod users;

use common::{
    api::{
        orders::{Metadata, OrderedAmount, ValidatedOrder},
        prices::PriceState,
        quotes::{ExceededCap, Quote, QuoteCap, QuoteState},
    },
    config::Caller,
    ids::IdempotencyKey,
    money::FiatAmount,
};

use super::*;
use crate::{
    orders::{
        command::{CapsExceeded, ClientKey, QuoteCaps, QuoteCommand, ReleaseQuoteCommand},
        records::{StoredQuote, StoredRecords},
    },
    wallets::records::{LockedWallets, Movement},
};

const NOW: Timestamp = match Timestamp::from_micros(1_767_323_045_000_000) {
    Ok(now) => now,
    Err(_) => panic!("the time is out of range"),
};
const WRITER: Caller = Caller::CREATE_ORDER;
const MINUTE: Duration = Duration::from_secs(60);
const NO_TOTALS: Totals = match Timestamp::from_micros(0) {
    Ok(epoch) => Totals {
        orders: 0,
        bitcoin: Sats::ZERO,
        user_orders: 0,
        user_bitcoin: Sats::ZERO,
        reserved: Sats::ZERO,
        last_created_at: epoch,
        last_refused_at: epoch,
    },
    Err(_) => panic!("the time is out of range"),
};

fn sats(satoshi: i64) -> Sats {
    Sats::new(satoshi).unwrap()
}

fn seconds_later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn price(satoshi: i64, expires_at: Timestamp) -> OrderPrice {
    OrderPrice {
        exchange_rate: "50000".parse().unwrap(),
        bitcoin_amount: sats(satoshi),
        as_of: NOW,
        expires_at,
        sources: vec!["a".to_owned(), "b".to_owned()],
        simulated: false,
        price_state: PriceState::Prolonged,
    }
}

fn client_key(key: &str) -> ClientKey {
    ClientKey { client: "anonymous".to_owned(), key: key.parse::<IdempotencyKey>().unwrap() }
}

fn place(key: &str, terms: OrderTerms) -> Command {
    Command::Place(PlaceCommand {
        key: client_key(key),
        user: None,
        terms,
        annotations: Annotations::default(),
        wallets: None,
        requested_at: NOW,
        written_by: WRITER,
        attempted_ids: Vec::new(),
    })
}

/// An order for 69 EUR at the market price.
fn market(key: &str, satoshi: i64) -> Command {
    market_of(key, "69", Some(price(satoshi, NOW.plus(MINUTE))))
}

fn market_of(key: &str, amount: &str, price: Option<OrderPrice>) -> Command {
    let amount: FiatAmount = amount.parse().unwrap();
    let priced = price.map(|price| PricedOrder { amount, price });
    let order = ValidatedOrder { currency: Currency::EUR, amount: OrderedAmount::Fiat(amount) };
    place(key, OrderTerms::Market(MarketTerms { order, priced }))
}

fn requested_at(command: Command, time: Timestamp) -> Command {
    let Command::Place(command) = command else { panic!("only orders have a time of request") };
    Command::Place(PlaceCommand { requested_at: time, ..command })
}

fn quote(satoshi: i64, seconds: u64) -> Command {
    quote_at(price(satoshi, NOW.plus(MINUTE)), seconds)
}

fn quote_at(price: OrderPrice, seconds: u64) -> Command {
    let (currency, amount) = (Currency::EUR, "69".parse().unwrap());
    let duration = Duration::from_secs(seconds);
    let caps = QuoteCaps { quote: Some(price.bitcoin_amount), client: Some(sats(1000)), all_quotes: Some(sats(1000)) };
    Command::Quote(QuoteCommand {
        currency,
        amount,
        ordered_by: OrderedBy::Amount,
        price,
        duration,
        client: None,
        user: None,
        caps,
        written_by: WRITER,
        attempted_ids: Vec::new(),
    })
}

/// The tables that the policy uses, in memory.
#[derive(Debug, Clone)]
struct Tables {
    totals: Totals,
    origin: Option<OrderOrigin>,
    records: StoredRecords,
    wallets: LockedWallets,
    /// The movements of the journal.
    movements: Vec<Movement>,
}

impl Tables {
    fn empty() -> Self {
        Self {
            totals: NO_TOTALS,
            origin: None,
            records: StoredRecords::default(),
            wallets: LockedWallets::default(),
            movements: Vec::new(),
        }
    }

    fn with_reserved(satoshi: i64) -> Self {
        Self { totals: Totals { reserved: sats(satoshi), ..NO_TOTALS }, ..Self::empty() }
    }

    fn decide(&self, limit: i64, now: Timestamp, commands: &mut [Command]) -> Decided<Decision, ChangeSet> {
        decide_batch(sats(limit), self.snapshot(Sats::ZERO, now), commands)
    }

    fn snapshot(&self, released: Sats, now: Timestamp) -> Snapshot {
        let Self { totals, origin, records, wallets, .. } = self.clone();
        Snapshot { totals, released, now, origin, records, wallets }
    }

    /// Decides a batch under a limit of 100 satoshi and writes the changes.
    fn commit(&mut self, now: Timestamp, commands: &mut [Command]) -> Vec<Decision> {
        let Decided { decisions, changes } = self.decide(100, now, commands);
        if let Some(changes) = changes {
            self.write(&changes);
        }
        decisions
    }

    fn write(&mut self, changes: &ChangeSet) {
        self.totals = changes.totals;
        self.origin = self.origin.or(changes.new_origin);
        let orders = changes.orders.iter().map(|row| (row.key.clone(), row.stored.clone()));
        self.records.orders.extend(orders);
        self.records.quotes.extend(changes.quotes.iter().map(|row| (row.stored.quote.id, row.stored.clone())));
        self.records.refusals.extend(changes.refusals.iter().cloned());
        if let Some(wallet_changes) = &changes.wallet_changes {
            self.wallets.wallets.extend(wallet_changes.wallets.iter().map(|wallet| (wallet.id, *wallet)));
            self.wallets.refusals.extend(wallet_changes.refusals.iter().cloned());
            self.movements.extend(wallet_changes.movements.iter().map(|new| new.movement.clone()));
        }
        for id in &changes.taken_quotes {
            self.records.quotes.get_mut(id).unwrap().quote.state = QuoteState::Taken;
        }
        for id in &changes.released_quotes {
            self.records.quotes.get_mut(id).unwrap().quote.state = QuoteState::Released;
        }
    }
}

/// Decides a batch on empty tables.
fn decide_first(limit: i64, commands: &mut [Command]) -> (Vec<Decision>, ChangeSet) {
    let Decided { decisions, changes } = Tables::empty().decide(limit, NOW, commands);
    (decisions, changes.expect("the batch changes rows"))
}

#[track_caller]
fn placed(decision: &Decision) -> &Placed {
    let Decision::Placed(placed) = decision else { panic!("not placed: {decision:?}") };
    placed
}

#[track_caller]
fn quoted(decision: &Decision) -> &Quote {
    let Decision::Quoted(quote) = decision else { panic!("not quoted: {decision:?}") };
    quote
}

#[track_caller]
fn refused(decision: &Decision) -> (RefusalReason, Option<i64>) {
    match decision {
        Decision::Refused(Refused { reason, remaining, .. }) => (*reason, remaining.map(Sats::get)),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn order_above_the_remaining_limit_is_refused_and_a_smaller_order_is_placed() {
    let (decisions, changes) =
        decide_first(100, &mut [market("1", 60), market("2", 41), market("3", 40), market("4", 1)]);
    assert_eq!(refused(&decisions[1]), (RefusalReason::LimitExceeded, Some(40)));
    assert_eq!(refused(&decisions[3]), (RefusalReason::LimitExceeded, Some(0)));
    assert_eq!(changes.orders.iter().map(|row| row.stored.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(changes.totals.bitcoin, sats(100));
}

#[test]
fn remaining_is_the_limit_minus_orders_and_reservations() {
    let totals = Totals { bitcoin: sats(60), reserved: sats(15), ..NO_TOTALS };
    assert_eq!(remaining(sats(100), &totals), sats(25));
    // An operator can lower the limit below the sum of the orders.
    assert_eq!(remaining(sats(70), &totals), Sats::ZERO);
}

#[test]
fn placed_order_has_the_terms_of_its_command() {
    let (decisions, changes) = decide_first(100, &mut [market("1", 60)]);
    let order = &placed(&decisions[0]).order;
    let price = price(60, NOW.plus(MINUTE));
    assert_eq!((order.currency, order.amount), (Currency::EUR, "69".parse().unwrap()));
    assert_eq!((order.created_at, order.id > new_order_id(NOW.minus(TIME_STEP))), (NOW, true));
    assert_eq!((order.exchange_rate, order.bitcoin_amount), (price.exchange_rate, price.bitcoin_amount));
    assert_eq!((order.price_as_of, order.simulated, order.price_state), (NOW, false, PriceState::Prolonged));
    let row = &changes.orders[0];
    assert_eq!((&row.stored.order, order.quote, row.sources.as_str()), (order, None, "a,b"));
    assert_eq!(row.key, client_key("1"));
    assert_eq!((changes.totals.orders, changes.totals.last_created_at), (1, NOW));
    assert_eq!(changes.totals.last_refused_at, NO_TOTALS.last_refused_at);
}

#[test]
fn key_repeated_in_a_batch_returns_the_same_order() {
    let (decisions, changes) = decide_first(100, &mut [market("1", 60), market("1", 60)]);
    assert_eq!(placed(&decisions[1]), &Placed { order: changes.orders[0].stored.order.clone(), replayed: true });
    assert_eq!(changes.orders.len(), 1);
}

#[test]
fn order_without_a_current_price_is_refused_unless_its_key_was_used() {
    let without_price = market_of("1", "69", None);
    let expired = market_of("2", "69", Some(price(1, NOW)));
    let (decisions, changes) = decide_first(100, &mut [without_price.clone(), expired]);
    for decision in &decisions {
        assert_eq!(refused(decision), (RefusalReason::PriceUnavailable, None));
    }
    assert!(changes.orders.is_empty());
    let mut tables = Tables::empty();
    tables.commit(NOW, &mut [market("1", 1)]);
    let repeat = tables.decide(0, NOW, &mut [without_price]);
    assert!(placed(&repeat.decisions[0]).replayed);
    assert_eq!(repeat.changes, None);
}

#[test]
fn price_is_usable_until_just_before_it_expires() {
    let last_moment = NOW.plus(MINUTE).minus(TIME_STEP);
    let decisions = Tables::empty().decide(100, last_moment, &mut [market("1", 1), quote(1, 1)]).decisions;
    placed(&decisions[0]);
    quoted(&decisions[1]);
    let decisions = Tables::empty().decide(100, NOW.plus(MINUTE), &mut [market("1", 1), quote(1, 1)]).decisions;
    assert_eq!(refused(&decisions[0]), (RefusalReason::PriceUnavailable, None));
    assert_eq!(refused(&decisions[1]), (RefusalReason::PriceUnavailable, None));
}

#[test]
fn request_before_a_refusal_is_refused_and_a_request_after_it_is_decided_anew() {
    let mut tables = Tables::with_reserved(60);
    let refusal = tables.commit(seconds_later(2), &mut [requested_at(market("1", 50), seconds_later(1))]);
    assert_eq!(refused(&refusal[0]), (RefusalReason::LimitExceeded, Some(40)));
    assert_eq!(tables.totals.last_refused_at, seconds_later(2));
    assert_eq!(tables.records.refusals.len(), 1);
    // The reservation is released, so the order would fit under the limit.
    tables.totals.reserved = Sats::ZERO;
    for time in [NOW, seconds_later(2)] {
        let earlier = tables.decide(100, seconds_later(3), &mut [requested_at(market("1", 50), time)]);
        assert_eq!(refused(&earlier.decisions[0]), (RefusalReason::LimitExceeded, Some(40)));
        assert_eq!(earlier.changes, None);
    }
    // The refusal does not apply to a different order, to a different key, or to a new request.
    let new_request = requested_at(market("1", 50), seconds_later(2).plus(TIME_STEP));
    let different_order = market_of("1", "70", Some(price(50, seconds_later(60))));
    for command in [different_order, market("2", 50), new_request] {
        placed(&tables.decide(100, seconds_later(3), &mut [command]).decisions[0]);
    }
}

#[test]
fn refusal_for_a_missing_price_keeps_its_reason() {
    let mut tables = Tables::empty();
    tables.commit(seconds_later(1), &mut [market_of("1", "69", None)]);
    let again = tables.decide(100, seconds_later(2), &mut [market("1", 1)]);
    assert_eq!(refused(&again.decisions[0]), (RefusalReason::PriceUnavailable, None));
}

#[test]
fn newest_refusal_time_does_not_go_back_with_the_clock() {
    let mut tables = Tables::empty();
    tables.commit(seconds_later(5), &mut [market("1", 101)]);
    tables.commit(seconds_later(2), &mut [market("2", 101)]);
    assert_eq!((tables.totals.last_refused_at, tables.records.refusals.len()), (seconds_later(5), 2));
}

#[test]
fn order_found_after_an_unknown_outcome_is_not_a_replay() {
    let mut tables = Tables::empty();
    let mut commands = [market("1", 1)];
    tables.commit(NOW, &mut commands);
    let retry = tables.decide(100, NOW, &mut commands);
    assert!(!placed(&retry.decisions[0]).replayed);
    assert_eq!(retry.changes, None);
}

#[test]
fn times_ids_and_sequence_numbers_increase_even_if_the_clock_goes_back() {
    let mut commands: Vec<_> = (0..500).map(|n| market(&n.to_string(), 1)).collect();
    let mut tables = Tables::empty();
    tables.totals.last_created_at = seconds_later(3);
    let rows = tables.decide(1000, NOW, &mut commands).changes.unwrap().orders;
    let orders: Vec<_> = rows.iter().map(|row| &row.stored.order).collect();
    assert_eq!(orders[0].created_at, seconds_later(3).plus(TIME_STEP));
    assert!(orders.windows(2).all(|pair| pair[0].created_at < pair[1].created_at && pair[0].id < pair[1].id));
    assert!(rows.windows(2).all(|pair| pair[0].stored.seq + 1 == pair[1].stored.seq));
}
