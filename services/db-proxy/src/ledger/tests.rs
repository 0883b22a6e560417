//! The rules one by one; [`model`] compares any interleaving of them with a plain model.

mod model;

use common::api::prices::PriceState;

use super::*;

const NOW: Timestamp = match Timestamp::from_micros(1_767_323_045_000_000) {
    Ok(now) => now,
    Err(_) => panic!("a time inside the calendar"),
};

fn totals() -> Totals {
    let last_created_at = Timestamp::from_micros(0).unwrap();
    Totals { orders: 0, bitcoin: Sats::ZERO, reserved: Sats::ZERO, last_created_at, last_refused_at: last_created_at }
}

fn sats(satoshi: i64) -> Sats {
    Sats::new(satoshi).unwrap()
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

fn entry(key: &str, ask: OrderTerms) -> Command {
    let key = ClientKey { client: "anonymous".to_owned(), key: key.parse().unwrap() };
    Command::Place(PlaceCommand { key, ask, asked_at: NOW, attempted_ids: Vec::new() })
}

fn market(key: &str, satoshi: i64) -> Command {
    market_of(key, "69", Some(price(satoshi, NOW.plus(Duration::from_secs(60)))))
}

fn market_of(key: &str, amount: &str, price: Option<OrderPrice>) -> Command {
    entry(key, OrderTerms::Market { currency: Currency::EUR, amount: amount.parse().unwrap(), price })
}

fn hold(satoshi: i64, seconds: u64) -> Command {
    Command::Quote(QuoteCommand {
        currency: Currency::EUR,
        amount: "69".parse().unwrap(),
        price: price(satoshi, NOW.plus(Duration::from_secs(60))),
        duration: Duration::from_secs(seconds),
        attempted_ids: Vec::new(),
    })
}

fn run(work: &mut [Command], limit: i64) -> ChangeSet {
    decide(totals(), sats(limit), NOW, StoredRecords::default(), work)
}

/// What the tables say after `changes`.
fn known(changes: &ChangeSet) -> StoredRecords {
    let orders = changes.rows.iter().map(|row| (row.key.clone(), row.stored.clone())).collect();
    let quotes = changes.held.iter().map(|stored| (stored.quote.id, stored.clone())).collect();
    StoredRecords { orders, quotes, refusals: changes.refusals.iter().cloned().collect() }
}

fn refused(decision: &Decision) -> (RefusalReason, Option<i64>) {
    match decision {
        Decision::Refused { reason, remaining } => (*reason, remaining.map(Sats::get)),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_limit_is_reached_to_the_satoshi_and_a_smaller_order_still_fits() {
    let changes = run(&mut [market("1", 60), market("2", 41), market("3", 40), market("4", 1)], 100);
    assert_eq!(refused(&changes.decisions[1]), (RefusalReason::LimitExceeded, Some(40)));
    assert_eq!(refused(&changes.decisions[3]), (RefusalReason::LimitExceeded, Some(0)));
    assert_eq!(changes.rows.iter().map(|row| row.stored.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(changes.totals.bitcoin, sats(100));
}

#[test]
fn a_key_in_the_same_group_gives_the_same_order() {
    let changes = run(&mut [market("1", 60), market("1", 60)], 100);
    let Decision::Placed { order, replayed: true } = &changes.decisions[1] else { panic!() };
    assert_eq!(order, &changes.rows[0].stored.order);
    assert_eq!(changes.rows.len(), 1);
}

#[test]
fn a_key_with_another_request_is_refused_even_when_the_limit_is_full() {
    let other = market_of("1", "70", Some(price(1, NOW.plus(Duration::from_secs(60)))));
    let changes = run(&mut [market("1", 100), other], 100);
    assert_eq!(refused(&changes.decisions[1]), (RefusalReason::KeyReused, None));
}

#[test]
fn no_price_or_one_that_ran_out_places_nothing_but_still_repeats() {
    let without = market_of("1", "69", None);
    let changes = run(&mut [without.clone(), market_of("2", "69", Some(price(1, NOW)))], 100);
    assert!(changes.decisions.iter().all(|d| refused(d).0 == RefusalReason::PriceUnavailable));
    let before = run(&mut [market("1", 1)], 100);
    let changes = decide(before.totals, Sats::ZERO, NOW, known(&before), &mut [without]);
    assert!(matches!(changes.decisions[0], Decision::Placed { replayed: true, .. }));
}

#[test]
fn what_was_asked_for_before_a_refusal_is_refused_with_it_and_what_comes_later_is_not() {
    let mut second = market("1", 50);
    let Command::Place(entry) = &mut second else { panic!() };
    entry.asked_at = NOW.plus(Duration::from_secs(1));
    let at = |second| NOW.plus(Duration::from_secs(second));
    let full = Totals { reserved: sats(60), ..totals() };
    let no = decide(full, sats(100), at(2), StoredRecords::default(), &mut [second]);
    assert_eq!((refused(&no.decisions[0]), no.changes()), ((RefusalReason::LimitExceeded, Some(40)), true));
    assert_eq!(no.totals.last_refused_at, at(2));
    // The quote has run out, and there is room. The first request comes out of the queue that it lay in.
    let late = decide(totals(), sats(100), at(3), known(&no), &mut [market("1", 50)]);
    assert_eq!((refused(&late.decisions[0]), late.changes()), ((RefusalReason::LimitExceeded, Some(40)), false));
    // Another order, another client and a new request are no business of that refusal.
    let other = market_of("1", "70", Some(price(50, at(60))));
    assert_eq!(decide(totals(), sats(100), at(3), known(&no), &mut [other]).rows.len(), 1);
    assert_eq!(decide(totals(), sats(100), at(3), known(&no), &mut [market("2", 50)]).rows.len(), 1);
    let mut anew = market("1", 50);
    let Command::Place(entry) = &mut anew else { panic!() };
    entry.asked_at = at(2).plus(Duration::from_micros(1));
    assert_eq!(decide(totals(), sats(100), at(3), known(&no), &mut [anew]).rows.len(), 1);
}

#[test]
fn an_order_found_again_after_an_unknown_outcome_is_no_repeat() {
    let mut work = [market("1", 1)];
    let before = run(&mut work, 100);
    let changes = decide(before.totals, sats(100), NOW, known(&before), &mut work);
    assert!(matches!(changes.decisions[0], Decision::Placed { replayed: false, .. }));
    assert!(!changes.changes());
}

#[test]
fn a_quote_holds_its_share_and_is_taken_once() {
    let mut work = [hold(60, 30), market("1", 41)];
    let held = run(&mut work, 100);
    assert_eq!(refused(&held.decisions[1]), (RefusalReason::LimitExceeded, Some(40)));
    let Decision::Quoted(quote) = &held.decisions[0] else { panic!() };
    let takers =
        &mut [entry("2", OrderTerms::Quote(quote.id)), entry("3", OrderTerms::Quote(quote.id)), market("4", 40)];
    let changes = decide(held.totals, sats(100), NOW, known(&held), takers);
    assert!(matches!(&changes.decisions[0], Decision::Placed { order, .. } if order.bitcoin_amount == sats(60)));
    assert_eq!(refused(&changes.decisions[1]).0, RefusalReason::QuoteTaken);
    assert!(matches!(changes.decisions[2], Decision::Placed { .. }));
    assert_eq!((changes.totals.bitcoin, changes.totals.reserved), (sats(100), Sats::ZERO));
    assert_eq!(changes.taken, [quote.id]);
}

#[test]
fn a_quote_that_ran_out_or_never_was_is_not_taken() {
    let held = run(&mut [hold(60, 30)], 100);
    let Decision::Quoted(quote) = &held.decisions[0] else { panic!() };
    let nobody = QuoteId(uuid_at(NOW));
    let takers = &mut [entry("1", OrderTerms::Quote(quote.id)), entry("2", OrderTerms::Quote(nobody))];
    let changes = decide(held.totals, sats(100), quote.expires_at, known(&held), takers);
    assert_eq!(refused(&changes.decisions[0]).0, RefusalReason::QuoteExpired);
    assert_eq!(refused(&changes.decisions[1]).0, RefusalReason::QuoteUnknown);
}

#[test]
fn a_key_of_a_quote_repeats_for_that_quote_alone() {
    let held = run(&mut [hold(60, 30), hold(1, 30)], 100);
    let [Decision::Quoted(one), Decision::Quoted(other)] = &held.decisions[..] else { panic!() };
    let takers = &mut [
        entry("1", OrderTerms::Quote(one.id)),
        entry("1", OrderTerms::Quote(one.id)),
        entry("1", OrderTerms::Quote(other.id)),
        market("1", 1),
    ];
    let decisions = decide(held.totals, sats(100), NOW, known(&held), takers).decisions;
    assert!(matches!(decisions[1], Decision::Placed { replayed: true, .. }));
    assert_eq!(refused(&decisions[2]).0, RefusalReason::KeyReused);
    assert_eq!(refused(&decisions[3]).0, RefusalReason::KeyReused);
}

#[test]
fn time_id_and_sequence_grow_together_also_when_the_clock_goes_back() {
    let mut work: Vec<_> = (0..500).map(|n| market(&n.to_string(), 1)).collect();
    let late = Totals { last_created_at: NOW.plus(Duration::from_secs(3)), ..totals() };
    let rows = decide(late, sats(1000), NOW, StoredRecords::default(), &mut work).rows;
    let orders: Vec<_> = rows.iter().map(|row| &row.stored.order).collect();
    assert!(orders[0].created_at > late.last_created_at);
    assert!(orders.windows(2).all(|w| w[0].created_at < w[1].created_at && w[0].id < w[1].id));
}
