//! Quotes: their terms, and the caps on what they reserve.

use super::*;

const CAPS: [i64; 3] = [40, 50, 70];

/// A quote of a client, with caps of 40, 50 and 70 satoshi for one quote, one client and all quotes.
fn capped(client: Option<&str>, satoshi: i64) -> Command {
    let Command::Quote(command) = quote(satoshi, 30) else { panic!("not a quote") };
    let [quote, client_cap, all_quotes] = CAPS.map(sats);
    let caps = QuoteCaps { quote, client: client_cap, all_quotes };
    Command::Quote(QuoteCommand { client: client.map(str::to_owned), caps, ..command })
}

#[track_caller]
fn exceeded(decision: &Decision) -> (QuoteCap, i64) {
    let Decision::QuoteCapExceeded(CapExceeded { cap, remaining }) = decision else {
        panic!("no cap is exceeded: {decision:?}")
    };
    (*cap, remaining.get())
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
    // The quotes are stored, and another client is not affected.
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
fn quote_above_the_limit_names_the_limit() {
    let decided = Tables::with_reserved(60).decide(65, NOW, &mut [capped(Some("a"), 41)]);
    assert_eq!(refused(&decided.decisions[0]), (RefusalReason::LimitExceeded, Some(5)));
}

#[test]
fn taken_quote_makes_room_for_another_of_its_client() {
    let mut tables = Tables::empty();
    let decisions = tables.commit(NOW, &mut [capped(Some("a"), 40)]);
    let id = quoted(&decisions[0]).id;
    let mut tables = tables.with_reservations_of_clients();
    let decisions = tables.commit(NOW, &mut [place("1", OrderTerms::Quote(id)), capped(Some("a"), 40)]);
    placed(&decisions[0]);
    quoted(&decisions[1]);
}

#[test]
fn sender_that_does_not_tell_clients_apart_has_no_cap_per_client() {
    let (decisions, _) = decide_first(100, &mut [capped(None, 40), capped(None, 30), capped(None, 1)]);
    quoted(&decisions[1]);
    assert_eq!(exceeded(&decisions[2]), (QuoteCap::AllQuotes, 0));
}

#[test]
fn repeated_command_returns_its_quote_whatever_the_caps() {
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

/// The state of the quote that a command released, or that no longer reserved anything.
#[track_caller]
fn released(decision: &Decision) -> QuoteState {
    let Decision::QuoteReleased(quote) = decision else { panic!("not released: {decision:?}") };
    quote.state
}

#[test]
fn released_quote_returns_its_reservation_once_and_cannot_be_taken() {
    let mut tables = Tables::empty();
    let id = quoted(&tables.commit(NOW, &mut [quote(60, 30)])[0]).id;
    let release = || Command::ReleaseQuote(id);
    // The order after it uses the reservation, and the repetition returns nothing more.
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
fn release_makes_room_for_another_quote_of_the_client() {
    let mut tables = Tables::empty();
    let id = quoted(&tables.commit(NOW, &mut [capped(Some("a"), 40)])[0]).id;
    let mut tables = tables.with_reservations_of_clients();
    let decisions = tables.commit(NOW, &mut [capped(Some("a"), 20), Command::ReleaseQuote(id), capped(Some("a"), 20)]);
    assert_eq!(exceeded(&decisions[0]), (QuoteCap::Client, 10));
    quoted(&decisions[2]);
}

#[test]
fn only_an_open_quote_is_released() {
    let mut tables = Tables::empty();
    let ids = tables.commit(NOW, &mut [quote(10, 30), quote(20, 30)]);
    let (taken, expired) = (quoted(&ids[0]).id, quoted(&ids[1]).id);
    tables.commit(NOW, &mut [place("1", OrderTerms::Quote(taken))]);
    tables.records.quotes.get_mut(&expired).unwrap().quote.state = QuoteState::Expired;
    tables.totals.reserved = Sats::ZERO;
    let unknown = QuoteId(uuid::Uuid::from_u128(7));
    let decided = tables.decide(100, NOW, &mut [taken, expired, unknown].map(Command::ReleaseQuote));
    assert_eq!(refused(&decided.decisions[0]).0, RefusalReason::QuoteTaken);
    assert_eq!(released(&decided.decisions[1]), QuoteState::Expired);
    assert_eq!(refused(&decided.decisions[2]).0, RefusalReason::QuoteUnknown);
    assert_eq!(decided.changes, None);
}
