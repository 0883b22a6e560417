//! Tests of the rule that a database accepts either only simulated orders or only real orders.

use super::*;

fn simulated(satoshi: i64) -> OrderPrice {
    OrderPrice { simulated: true, ..price(satoshi, NOW.plus(MINUTE)) }
}

fn simulated_market(key: &str, satoshi: i64) -> Command {
    market_of(key, "69", Some(simulated(satoshi)))
}

fn marked(origin: OrderOrigin) -> Tables {
    Tables { origin: Some(origin), ..Tables::empty() }
}

/// The refusal of a simulated price in a database of real orders, or the reverse.
fn other_origin(database: OrderOrigin) -> Decision {
    let refused = Refused::because(RefusalReason::PriceUnavailable);
    Decision::Refused(Refused { database_origin: Some(database), ..refused })
}

#[test]
fn first_order_or_quote_marks_the_database() {
    let new_origin_of = |tables: Tables, command| tables.decide(1000, NOW, &mut [command]).changes.unwrap().new_origin;
    assert_eq!(new_origin_of(Tables::empty(), market("1", 1)), Some(OrderOrigin::Real));
    assert_eq!(new_origin_of(Tables::empty(), simulated_market("1", 1)), Some(OrderOrigin::Simulated));
    assert_eq!(new_origin_of(Tables::empty(), quote_at(simulated(1), 30)), Some(OrderOrigin::Simulated));
    assert_eq!(new_origin_of(marked(OrderOrigin::Real), market("1", 1)), None);
    // A refused order does not mark the database.
    assert_eq!(new_origin_of(Tables::empty(), market("1", 1001)), None);
}

#[test]
fn price_of_the_other_origin_is_refused() {
    for (origin, right, wrong) in [
        (OrderOrigin::Real, price(1, NOW.plus(MINUTE)), simulated(1)),
        (OrderOrigin::Simulated, simulated(1), price(1, NOW.plus(MINUTE))),
    ] {
        let mut commands = [
            market_of("1", "69", Some(wrong.clone())),
            quote_at(wrong, 30),
            market_of("2", "69", Some(right.clone())),
            quote_at(right, 30),
        ];
        let Decided { decisions, changes } = marked(origin).decide(1000, NOW, &mut commands);
        assert_eq!(decisions[..2], [other_origin(origin), other_origin(origin)]);
        assert_eq!(placed(&decisions[2]).order.simulated, origin.is_simulated());
        let changes = changes.unwrap();
        assert_eq!((changes.orders.len(), changes.quotes.len(), changes.new_origin), (1, 1, None));
    }
}

#[test]
fn first_order_of_a_batch_marks_the_database_and_the_other_origin_is_refused() {
    let mut commands = [market("1", 1), simulated_market("2", 1)];
    let Decided { decisions, changes } = Tables::empty().decide(1000, NOW, &mut commands);
    assert_eq!(decisions[1], other_origin(OrderOrigin::Real));
    assert_eq!(changes.unwrap().new_origin, Some(OrderOrigin::Real));
}

/// A delayed copy of the request, which waits at another db-proxy, must not place the order.
#[test]
fn refusal_of_the_other_origin_is_recorded() {
    let mut tables = marked(OrderOrigin::Real);
    let decisions = tables.commit(NOW, &mut [simulated_market("1", 1)]);
    assert_eq!(decisions, [other_origin(OrderOrigin::Real)]);
    let decisions = tables.commit(NOW, &mut [market("1", 1)]);
    assert_eq!(refused(&decisions[0]), (RefusalReason::PriceUnavailable, None));
}

#[test]
fn order_from_before_the_mark_is_replayed_and_quote_of_the_other_origin_is_refused() {
    let mut tables = Tables::empty();
    let decisions = tables.commit(NOW, &mut [simulated_market("1", 1), quote_at(simulated(1), 30)]);
    let Decision::Quoted(quote) = &decisions[1] else { panic!("{decisions:?}") };
    tables.origin = Some(OrderOrigin::Real);
    let decisions = tables.commit(NOW, &mut [simulated_market("1", 1), place("2", OrderTerms::Quote(quote.id))]);
    assert!(placed(&decisions[0]).replayed);
    assert_eq!(decisions[1], other_origin(OrderOrigin::Real));
}
