//! Tests of idempotency. A request with a used idempotency key is a replay if it has the same terms, annotations and
//! wallets as the first request.

use super::*;

/// An order for 69 EUR with these annotations.
fn annotated(key: &str, client_reference: Option<&str>, metadata: Option<Metadata>) -> Command {
    let Command::Place(command) = market(key, 30) else { panic!("not an order") };
    let client_reference = client_reference.map(|reference| reference.parse().unwrap());
    Command::Place(PlaceCommand { annotations: Annotations { client_reference, metadata }, ..command })
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Metadata {
    pairs.into_iter().collect()
}

/// An order for this many satoshi. `amount` is the cost at the price of the request, or `None` if there is no price.
fn by_bitcoin(key: &str, satoshi: i64, amount: Option<&str>) -> Command {
    let priced =
        amount.map(|amount| PricedOrder { amount: amount.parse().unwrap(), price: price(satoshi, NOW.plus(MINUTE)) });
    let order = ValidatedOrder { currency: Currency::EUR, amount: OrderedAmount::Bitcoin(sats(satoshi)) };
    place(key, OrderTerms::Market(MarketTerms { order, priced }))
}

#[test]
fn key_reused_for_a_different_order_is_refused_even_if_the_limit_is_reached() {
    let different_amount = market_of("1", "70", Some(price(1, NOW.plus(MINUTE))));
    let mut different_currency = market("1", 1);
    let Command::Place(PlaceCommand { terms: OrderTerms::Market(order), .. }) = &mut different_currency else {
        panic!("not a market order")
    };
    order.order.currency = Currency::USD;
    let (decisions, _) = decide_first(100, &mut [market("1", 100), different_amount, different_currency]);
    assert_eq!(refused(&decisions[1]), (RefusalReason::KeyReused, None));
    assert_eq!(refused(&decisions[2]), (RefusalReason::KeyReused, None));
}

#[test]
fn order_and_its_replay_have_the_annotations_of_the_command() {
    let mut tables = Tables::empty();
    let command = || annotated("1", Some("invoice-42"), Some(pairs([("cart", "7")])));
    let first = tables.commit(NOW, &mut [command()]);
    let order = &placed(&first[0]).order;
    assert_eq!(order.client_reference.as_ref().unwrap().as_str(), "invoice-42");
    assert_eq!(order.metadata, Some(pairs([("cart", "7")])));
    let again = tables.commit(NOW, &mut [command()]);
    assert_eq!(placed(&again[0]), &Placed { order: order.clone(), replayed: true });
}

#[test]
fn request_with_a_used_key_and_other_annotations_is_refused() {
    let mut tables = Tables::empty();
    let cart = || Some(pairs([("cart", "7")]));
    tables.commit(NOW, &mut [annotated("1", Some("a"), cart()), annotated("2", None, None)]);
    for (key, reference, metadata) in [
        ("1", None, cart()),
        ("1", Some("b"), cart()),
        ("1", Some("a"), None),
        ("1", Some("a"), Some(pairs([("cart", "8")]))),
        ("1", Some("a"), Some(pairs([("cart", "7"), ("more", "")]))),
        ("2", Some("a"), None),
        ("2", None, cart()),
    ] {
        let decisions = tables.commit(NOW, &mut [annotated(key, reference, metadata)]);
        assert_eq!(refused(&decisions[0]), (RefusalReason::KeyReused, None), "{key} {reference:?}");
    }
}

#[test]
fn order_of_a_bitcoin_amount_is_replayed_at_any_price_and_differs_from_a_fiat_order() {
    let mut tables = Tables::empty();
    let first = tables.commit(NOW, &mut [by_bitcoin("1", 30, Some("15"))]);
    let order = &placed(&first[0]).order;
    assert_eq!(
        (order.ordered_by, order.amount, order.bitcoin_amount),
        (OrderedBy::BitcoinAmount, "15".parse().unwrap(), sats(30))
    );
    for again in [by_bitcoin("1", 30, Some("16")), by_bitcoin("1", 30, None)] {
        let decisions = tables.commit(NOW, &mut [again]);
        assert_eq!(placed(&decisions[0]), &Placed { order: order.clone(), replayed: true });
    }
    let same_cost = market_of("1", "15", Some(price(30, NOW.plus(MINUTE))));
    for other in [by_bitcoin("1", 31, Some("15")), same_cost] {
        let decisions = tables.commit(NOW, &mut [other]);
        assert_eq!(refused(&decisions[0]).0, RefusalReason::KeyReused);
    }
}

#[test]
fn refusal_of_a_bitcoin_amount_applies_to_a_delayed_duplicate_at_another_price() {
    let mut tables = Tables::empty();
    let refusal = tables.commit(NOW, &mut [by_bitcoin("1", 101, Some("50"))]);
    assert_eq!(refused(&refusal[0]), (RefusalReason::LimitExceeded, Some(100)));
    let duplicate = &mut [by_bitcoin("1", 101, Some("49"))];
    let decided = tables.decide(1000, seconds_later(1), duplicate);
    assert_eq!(refused(&decided.decisions[0]), (RefusalReason::LimitExceeded, Some(100)));
    // The refusal does not apply to another amount of bitcoin.
    let others = &mut [by_bitcoin("1", 100, Some("49"))];
    placed(&tables.decide(1000, seconds_later(1), others).decisions[0]);
}

#[test]
fn order_from_a_quote_of_bitcoin_is_ordered_by_bitcoin_amount() {
    let mut tables = Tables::empty();
    let Command::Quote(command) = quote(30, 30) else { panic!("not a quote") };
    let quotes =
        tables.commit(NOW, &mut [Command::Quote(QuoteCommand { ordered_by: OrderedBy::BitcoinAmount, ..command })]);
    let quote = quoted(&quotes[0]);
    let decisions = tables.commit(NOW, &mut [place("1", OrderTerms::Quote(quote.id))]);
    let order = &placed(&decisions[0]).order;
    assert_eq!(
        (quote.ordered_by, order.ordered_by, order.quote),
        (OrderedBy::BitcoinAmount, OrderedBy::BitcoinAmount, Some(quote.id))
    );
}

#[test]
fn amount_of_a_refusal_is_stored_exactly() {
    let key = |amount| RefusalKey { key: client_key("1"), order: ValidatedOrder { currency: Currency::EUR, amount } };
    for amount in [
        OrderedAmount::Fiat("0.0001".parse().unwrap()),
        OrderedAmount::Fiat("999999999.9999".parse().unwrap()),
        OrderedAmount::Bitcoin(sats(1)),
        OrderedAmount::Bitcoin("21000000".parse().unwrap()),
    ] {
        assert_eq!(RefusalKey::parse_amount_column(key(amount).amount_column()), Some(amount));
    }
    for invalid in [0, i64::MIN, i64::MAX] {
        assert_eq!(RefusalKey::parse_amount_column(invalid), None);
    }
}
