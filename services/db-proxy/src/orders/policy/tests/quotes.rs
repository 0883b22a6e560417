//! Tests of quotes: their terms, the caps on their reservations, and how they end.

use super::*;
use crate::uuid_v7::new_uuid_at;

const CAPS: [i64; 3] = [40, 50, 70];

/// A command for a quote, with caps of 40 satoshi for one quote, 50 for one client, and 70 for all quotes.
fn capped(client: Option<&str>, satoshi: i64) -> Command {
    let Command::Quote(command) = quote(satoshi, 30) else { panic!("not a quote") };
    let [quote, client_cap, all_quotes] = CAPS.map(|cap| Some(sats(cap)));
    let caps = QuoteCaps { quote, client: client_cap, all_quotes };
    Command::Quote(QuoteCommand { client: client.map(str::to_owned), caps, ..command })
}

fn release(id: QuoteId) -> Command {
    Command::ReleaseQuote(ReleaseQuoteCommand { id, owner: OwnerFilter::Anonymous })
}

#[track_caller]
fn exceeded(decision: &Decision) -> (QuoteCap, i64) {
    let Decision::QuoteCapExceeded(exceeded) = decision else { panic!("no cap is exceeded: {decision:?}") };
    (exceeded.caps[0].cap, exceeded.remaining().unwrap().get())
}

impl Tables {
    /// Sums the open quotes of each client, as the store does.
    fn with_reservations_of_clients(mut self) -> Self {
        self.records.reserved_by_client.clear();
        for StoredQuote { quote, client, .. } in
            self.records.quotes.values().filter(|stored| stored.quote.state == QuoteState::Open)
        {
            let reserved = self.records.reserved_by_client.entry(client.clone()).or_insert(Sats::ZERO);
            *reserved = add_within_limit(*reserved, quote.bitcoin_amount);
        }
        self
    }
}

#[test]
fn one_quote_reserves_at_most_its_cap() {
    let decided = Tables::empty().decide(100, NOW, &mut [capped(Some("a"), 41)]);
    assert_eq!(exceeded(&decided.decisions[0]), (QuoteCap::Quote, 40));
    assert_eq!(decided.changes, None);
    quoted(&decide_first(100, &mut [capped(Some("a"), 40)]).0[0]);
}

#[test]
fn one_client_reserves_at_most_its_cap_with_any_number_of_quotes() {
    let (decisions, changes) =
        decide_first(100, &mut [capped(Some("a"), 40), capped(Some("a"), 11), capped(Some("a"), 10)]);
    assert_eq!(exceeded(&decisions[1]), (QuoteCap::Client, 10));
    quoted(&decisions[2]);
    let mut tables = Tables::empty();
    tables.write(&changes);
    // The stored quotes count towards the cap of their client, and not towards the cap of another client.
    let decided =
        tables.with_reservations_of_clients().decide(100, NOW, &mut [capped(Some("a"), 1), capped(Some("b"), 20)]);
    assert_eq!(exceeded(&decided.decisions[0]), (QuoteCap::Client, 0));
    quoted(&decided.decisions[1]);
}

#[test]
fn all_quotes_reserve_at_most_their_cap_and_orders_use_the_rest() {
    let batch = &mut [capped(Some("a"), 40), capped(Some("b"), 31), capped(Some("b"), 30), market("1", 30)];
    let (decisions, _) = decide_first(100, batch);
    assert_eq!(exceeded(&decisions[1]), (QuoteCap::AllQuotes, 30));
    quoted(&decisions[2]);
    placed(&decisions[3]);
}

#[test]
fn refusal_names_each_exceeded_cap_and_the_exceeded_limit() {
    let exceeded_cap = |cap, remaining| ExceededCap { cap, remaining: sats(remaining) };
    let decided = Tables::with_reserved(60).decide(65, NOW, &mut [capped(Some("a"), 41)]);
    let caps = vec![exceeded_cap(QuoteCap::Quote, 40), exceeded_cap(QuoteCap::AllQuotes, 10)];
    let expected = CapsExceeded { remaining_limit: Some(sats(5)), caps };
    assert_eq!(decided.decisions[0], Decision::QuoteCapExceeded(expected));
    let (decisions, _) = decide_first(100, &mut [capped(Some("a"), 40), capped(Some("a"), 45)]);
    let caps = [(QuoteCap::Quote, 40), (QuoteCap::Client, 10), (QuoteCap::AllQuotes, 30)];
    let caps = caps.map(|(cap, remaining)| exceeded_cap(cap, remaining)).to_vec();
    assert_eq!(decisions[1], Decision::QuoteCapExceeded(CapsExceeded { remaining_limit: None, caps }));
}

#[test]
fn taken_quote_no_longer_counts_towards_the_cap_of_its_client() {
    let mut tables = Tables::empty();
    let decisions = tables.commit(NOW, &mut [capped(Some("a"), 40)]);
    let id = quoted(&decisions[0]).id;
    let mut tables = tables.with_reservations_of_clients();
    let decisions = tables.commit(NOW, &mut [place("1", OrderTerms::Quote(id)), capped(Some("a"), 40)]);
    placed(&decisions[0]);
    quoted(&decisions[1]);
}

#[test]
fn quote_without_a_client_has_no_client_cap() {
    let (decisions, _) = decide_first(100, &mut [capped(None, 40), capped(None, 30), capped(None, 1)]);
    quoted(&decisions[1]);
    assert_eq!(exceeded(&decisions[2]), (QuoteCap::AllQuotes, 0));
}

#[test]
fn repeated_command_returns_its_quote_even_if_a_cap_is_reached() {
    let mut tables = Tables::empty();
    let mut commands = [capped(Some("a"), 40), capped(Some("a"), 10)];
    let first = tables.commit(NOW, &mut commands);
    let again = tables.with_reservations_of_clients().commit(NOW, &mut commands);
    assert_eq!(again, first);
}

#[test]
fn quote_has_the_terms_of_its_command() {
    let (decisions, changes) = decide_first(100, &mut [quote(60, 30)]);
    let quote = quoted(&decisions[0]);
    let price = price(60, NOW.plus(MINUTE));
    assert_eq!((quote.created_at, quote.expires_at), (NOW, seconds_later(30)));
    assert_eq!((quote.currency, quote.amount), (Currency::EUR, "69".parse().unwrap()));
    assert_eq!((quote.exchange_rate, quote.bitcoin_amount), (price.exchange_rate, price.bitcoin_amount));
    assert_eq!((quote.price_as_of, quote.simulated, quote.price_state), (NOW, false, PriceState::Prolonged));
    let stored = StoredQuote { quote: quote.clone(), sources: "a,b".to_owned(), client: "anonymous".to_owned() };
    assert_eq!(changes.quotes, [NewQuoteRow { stored, written_by: Caller::CREATE_ORDER }]);
    assert_eq!((changes.totals.reserved, changes.totals.orders), (sats(60), 0));
}

#[test]
fn quote_over_the_limit_is_refused_and_not_recorded() {
    let decided = Tables::with_reserved(60).decide(100, NOW, &mut [quote(41, 30)]);
    assert_eq!(refused(&decided.decisions[0]), (RefusalReason::LimitExceeded, Some(40)));
    assert_eq!(decided.changes, None);
}

#[test]
fn retry_after_an_unknown_outcome_creates_no_second_quote() {
    let mut tables = Tables::empty();
    let mut commands = [quote(60, 30)];
    let first = tables.commit(NOW, &mut commands);
    // The retry returns the quote even if the price has expired in the meantime.
    let retry = tables.decide(100, seconds_later(90), &mut commands);
    assert_eq!((retry.decisions, retry.changes), (first, None));
    // If no earlier attempt has committed, the retry creates the quote with a new id.
    let redone = Tables::empty().decide(100, NOW, &mut commands);
    assert_eq!(redone.changes.unwrap().quotes.len(), 1);
}

#[test]
fn quote_reserves_its_amount_and_only_one_order_takes_it() {
    let mut tables = Tables::empty();
    let decisions = tables.commit(NOW, &mut [quote(60, 30), market("1", 41)]);
    assert_eq!(refused(&decisions[1]), (RefusalReason::LimitExceeded, Some(40)));
    let quote = quoted(&decisions[0]).clone();
    let commands =
        &mut [place("2", OrderTerms::Quote(quote.id)), place("3", OrderTerms::Quote(quote.id)), market("4", 40)];
    let Decided { decisions, changes } = tables.decide(100, NOW, commands);
    let order = &placed(&decisions[0]).order;
    assert_eq!((order.bitcoin_amount, order.exchange_rate), (sats(60), quote.exchange_rate));
    assert_eq!((order.currency, order.amount, order.price_as_of), (quote.currency, quote.amount, quote.price_as_of));
    assert_eq!(refused(&decisions[1]), (RefusalReason::QuoteTaken, None));
    placed(&decisions[2]);
    let changes = changes.unwrap();
    assert_eq!((changes.totals.bitcoin, changes.totals.reserved), (sats(100), Sats::ZERO));
    assert_eq!(changes.taken_quotes, [quote.id]);
    assert_eq!((changes.orders[0].stored.order.quote, changes.orders[0].sources.as_str()), (Some(quote.id), "a,b"));
    // Later batches see that the quote is taken.
    tables.write(&changes);
    let late = tables.decide(100, NOW, &mut [place("5", OrderTerms::Quote(quote.id))]);
    assert_eq!(refused(&late.decisions[0]), (RefusalReason::QuoteTaken, None));
    assert_eq!(late.changes, None);
}

#[test]
fn expired_or_unknown_quote_is_not_taken() {
    let mut tables = Tables::empty();
    let decisions = tables.commit(NOW, &mut [quote(60, 30)]);
    let quote = quoted(&decisions[0]).clone();
    let unknown = QuoteId(new_uuid_at(NOW));
    let commands = || [place("1", OrderTerms::Quote(quote.id)), place("2", OrderTerms::Quote(unknown))];
    let decisions = tables.decide(100, quote.expires_at, &mut commands()).decisions;
    assert_eq!(refused(&decisions[0]), (RefusalReason::QuoteExpired, None));
    assert_eq!(refused(&decisions[1]), (RefusalReason::QuoteUnknown, None));
    placed(&tables.decide(100, quote.expires_at.minus(TIME_STEP), &mut commands()).decisions[0]);
    // The quote stays expired even if the clock went back after the quote was marked as expired.
    tables.records.quotes.get_mut(&quote.id).unwrap().quote.state = QuoteState::Expired;
    assert_eq!(refused(&tables.decide(100, NOW, &mut commands()).decisions[0]), (RefusalReason::QuoteExpired, None));
}

#[test]
fn key_of_a_quoted_order_replays_only_for_the_same_quote() {
    let mut tables = Tables::empty();
    let quotes = tables.commit(NOW, &mut [quote(60, 30), quote(1, 30)]);
    let [first, second] = [quoted(&quotes[0]).id, quoted(&quotes[1]).id];
    let commands = &mut [
        place("1", OrderTerms::Quote(first)),
        place("1", OrderTerms::Quote(first)),
        place("1", OrderTerms::Quote(second)),
        market("1", 1),
        market("2", 1),
        place("2", OrderTerms::Quote(second)),
    ];
    let decisions = tables.commit(NOW, commands);
    assert!(placed(&decisions[1]).replayed);
    assert_eq!(refused(&decisions[2]), (RefusalReason::KeyReused, None));
    assert_eq!(refused(&decisions[3]), (RefusalReason::KeyReused, None));
    assert!(!placed(&decisions[4]).replayed);
    assert_eq!(refused(&decisions[5]), (RefusalReason::KeyReused, None));
}

#[test]
fn batch_subtracts_released_reservations_even_without_commands() {
    let snapshot = |released| Snapshot {
        totals: Totals { reserved: sats(60), ..NO_TOTALS },
        released: sats(released),
        now: NOW,
        origin: None,
        records: StoredRecords::default(),
        wallets: LockedWallets::default(),
    };
    assert_eq!(decide_batch(sats(100), snapshot(0), &mut []).changes, None);
    let changes = decide_batch(sats(100), snapshot(25), &mut []).changes.unwrap();
    assert_eq!(changes.totals, Totals { reserved: sats(35), ..NO_TOTALS });
    placed(&decide_batch(sats(100), snapshot(60), &mut [market("1", 100)]).decisions[0]);
    // A new quote is written even if the totals remain the same.
    let changes = decide_batch(sats(100), snapshot(60), &mut [quote(60, 30)]).changes.unwrap();
    assert_eq!((changes.quotes.len(), changes.totals.reserved), (1, sats(60)));
}

/// Returns the state of the quote after the command.
#[track_caller]
fn released(decision: &Decision) -> QuoteState {
    let Decision::QuoteReleased(quote) = decision else { panic!("not released: {decision:?}") };
    quote.state
}

#[test]
fn released_quote_returns_its_reservation_once_and_cannot_be_taken() {
    let mut tables = Tables::empty();
    let id = quoted(&tables.commit(NOW, &mut [quote(60, 30)])[0]).id;
    let release = || release(id);
    // The first order uses the released reservation. The second release returns no further amount.
    let decisions = tables.commit(NOW, &mut [release(), market("1", 70), release(), market("2", 31)]);
    assert_eq!([0, 2].map(|index| released(&decisions[index])), [QuoteState::Released; 2]);
    placed(&decisions[1]);
    assert_eq!(refused(&decisions[3]), (RefusalReason::LimitExceeded, Some(30)));
    assert_eq!(tables.totals.reserved, Sats::ZERO);
    let decisions = tables.commit(NOW, &mut [release(), place("3", OrderTerms::Quote(id))]);
    assert_eq!(released(&decisions[0]), QuoteState::Released);
    assert_eq!(refused(&decisions[1]).0, RefusalReason::QuoteExpired);
}

#[test]
fn released_quote_no_longer_counts_towards_the_cap_of_its_client() {
    let mut tables = Tables::empty();
    let id = quoted(&tables.commit(NOW, &mut [capped(Some("a"), 40)])[0]).id;
    let mut tables = tables.with_reservations_of_clients();
    let decisions = tables.commit(NOW, &mut [capped(Some("a"), 20), release(id), capped(Some("a"), 20)]);
    assert_eq!(exceeded(&decisions[0]), (QuoteCap::Client, 10));
    quoted(&decisions[2]);
}

#[test]
fn only_an_open_quote_is_released() {
    let mut tables = Tables::empty();
    let quotes = tables.commit(NOW, &mut [quote(10, 30), quote(20, 30)]);
    let (taken, expired) = (quoted(&quotes[0]).id, quoted(&quotes[1]).id);
    tables.commit(NOW, &mut [place("1", OrderTerms::Quote(taken))]);
    tables.records.quotes.get_mut(&expired).unwrap().quote.state = QuoteState::Expired;
    tables.totals.reserved = Sats::ZERO;
    let unknown = QuoteId(uuid::Uuid::from_u128(7));
    let decided = tables.decide(100, NOW, &mut [taken, expired, unknown].map(release));
    assert_eq!(refused(&decided.decisions[0]).0, RefusalReason::QuoteTaken);
    assert_eq!(released(&decided.decisions[1]), QuoteState::Expired);
    assert_eq!(refused(&decided.decisions[2]).0, RefusalReason::QuoteUnknown);
    assert_eq!(decided.changes, None);
}
