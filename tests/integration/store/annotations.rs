//! The annotations of orders, pages of orders with a client reference, and orders of a bitcoin amount.

use common::{
    api::orders::{
        Annotations, ClientReference, Metadata, Order, OrderFilter, OrderPage, OrderedBy, OwnerFilter,
        RefusalReason::{KeyReused, LimitExceeded},
    },
    time::Timestamp,
};
use tests::{Stack, on_both_stacks};

use super::{
    Fixture, TestOrder, commands, commit, expect_placed, expect_refused, market_order, no_limit, sats, with_amount,
};

on_both_stacks!(
    annotations_are_stored_exactly_and_replayed,
    pages_of_a_reference_contain_exactly_its_orders,
    order_of_bitcoin_amount_is_stored_and_replayed_at_another_price,
    refusal_of_bitcoin_amount_applies_at_another_price,
);

fn reference(text: &str) -> ClientReference {
    text.parse().unwrap()
}

fn with_reference(text: &str, order: TestOrder) -> TestOrder {
    let annotations = Annotations { client_reference: Some(reference(text)), ..order.annotations };
    TestOrder { annotations, ..order }
}

async fn annotations_are_stored_exactly_and_replayed(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let text = r#"Rechnung № 42, "Zoë" \ 'x' %s $1 {a,b} 🙂"#;
    let metadata: Metadata = [("quote\"", r#"{"a":[1]}"#), ("empty", ""), ("ключ", "null")].into_iter().collect();
    let order = || {
        let mut order = with_reference(text, market_order("a", 10));
        order.annotations.metadata = Some(metadata.clone());
        order
    };
    // The first order of the batch has no annotations, so its columns are null.
    let decisions = fixture.place(&[market_order("plain", 1), order()], no_limit()).await;
    let placed = expect_placed(&decisions[1]).0;
    assert_eq!((&placed.client_reference, &placed.metadata), (&Some(reference(text)), &Some(metadata.clone())));

    let second_store = fixture.another_store().await;
    assert_eq!(second_store.orders_by_id(&[placed.id]).await.unwrap(), std::slice::from_ref(placed));
    let again =
        commit(&second_store, &mut commands(&[order(), market_order("a", 10)]), no_limit(), Timestamp::now()).await;
    assert_eq!(expect_placed(&again[0]), (placed, true));
    assert_eq!(expect_refused(&again[1]), (KeyReused, None));
    let readable = "select client_reference, metadata from orders_readable where client_reference is not null";
    assert_eq!(fixture.query_text(readable).await, [[text.to_owned(), metadata.to_text()]]);
    assert_eq!(fixture.check_tables().await, (2, 11));
}

/// All selected orders with the client reference `text`, and the number of pages.
async fn pages_of(fixture: &Fixture, text: &str, filter: &OrderFilter, limit: u32) -> (Vec<Order>, usize) {
    let (mut orders, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page =
            fixture.store.page_by_reference(OwnerFilter::Everybody, &reference(text), filter, cursor, limit).await;
        let OrderPage { data, next_cursor } = page.unwrap();
        orders.extend(data);
        pages += 1;
        cursor = next_cursor;
        if cursor.is_none() {
            return (orders, pages);
        }
    }
}

async fn pages_of_a_reference_contain_exactly_its_orders(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut newest_first = Vec::new();
    for number in 0..12 {
        let order = with_amount(["EUR", "USD"][number / 2 % 2], &(number + 1).to_string(), market_order(number, 1));
        let order = match number % 3 {
            0 => with_reference("a", order),
            1 => with_reference("A", order),
            _ => order,
        };
        newest_first.insert(0, fixture.place_new(order).await);
    }
    let with_a: Vec<_> =
        newest_first.iter().filter(|order| order.client_reference == Some(reference("a"))).cloned().collect();
    assert_eq!(with_a.len(), 4);
    let all = OrderFilter::default();
    for limit in [1, 3, 5, 1000] {
        assert_eq!(pages_of(&fixture, "a", &all, limit).await.0, with_a, "{limit}");
    }
    for unused in ["b", "a ", "%"] {
        assert_eq!(pages_of(&fixture, unused, &all, 5).await, (Vec::new(), 1), "{unused}");
    }
    // The other filters apply together with the client reference.
    let filters = [
        OrderFilter { currency: Some(with_a[0].currency), ..all },
        OrderFilter { min_amount: Some(with_a[1].amount), ..all },
        OrderFilter { max_amount: Some(with_a[2].amount), ..all },
        OrderFilter { from: Some(with_a[2].created_at), ..all },
        OrderFilter { to: Some(with_a[0].created_at), ..all },
    ];
    for filter in filters {
        let expected: Vec<_> = with_a
            .iter()
            .filter(|order| filter.selects(order.currency, order.amount))
            .filter(|order| filter.from.is_none_or(|from| from <= order.created_at))
            .filter(|order| filter.to.is_none_or(|to| order.created_at < to))
            .cloned()
            .collect();
        assert!((1..4).contains(&expected.len()), "{filter:?}");
        for limit in [1, 3, 1000] {
            assert_eq!(pages_of(&fixture, "a", &filter, limit).await.0, expected, "{filter:?} {limit}");
        }
    }
}

/// An order that specifies the number of satoshi. `amount` is the price of all these satoshi.
fn by_bitcoin(key: &str, satoshi: i64, amount: &str) -> TestOrder {
    TestOrder { by_bitcoin_amount: true, ..with_amount("EUR", amount, market_order(key, satoshi)) }
}

async fn order_of_bitcoin_amount_is_stored_and_replayed_at_another_price(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_new(by_bitcoin("a", 10, "0.0085")).await;
    assert_eq!((order.ordered_by, order.bitcoin_amount), (OrderedBy::BitcoinAmount, sats(10)));
    let second_store = fixture.another_store().await;
    assert_eq!(second_store.orders_by_id(&[order.id]).await.unwrap(), std::slice::from_ref(&order));
    let requests = [
        by_bitcoin("a", 10, "0.0086"),
        by_bitcoin("a", 11, "0.0085"),
        with_amount("EUR", "0.0085", market_order("a", 10)),
    ];
    let decisions = commit(&second_store, &mut commands(&requests), no_limit(), Timestamp::now()).await;
    assert_eq!(expect_placed(&decisions[0]), (&order, true));
    assert_eq!([1, 2].map(|index| expect_refused(&decisions[index]).0), [KeyReused, KeyReused]);
}

/// A delayed duplicate of a refused order has an earlier price, because it waited in another db-proxy. It is refused
/// too.
async fn refusal_of_bitcoin_amount_applies_at_another_price(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let duplicate = by_bitcoin("a", 101, "0.0850");
    let refused = fixture.place(&[by_bitcoin("a", 101, "0.0851")], sats(100)).await;
    assert_eq!(expect_refused(&refused[0]), (LimitExceeded, Some(100)));
    let second_store = fixture.another_store().await;
    let decisions = commit(&second_store, &mut commands(&[duplicate]), no_limit(), Timestamp::now()).await;
    assert_eq!(expect_refused(&decisions[0]), (LimitExceeded, Some(100)));
    let later = TestOrder { requested_at: Timestamp::now(), ..by_bitcoin("a", 101, "0.0852") };
    let decisions = commit(&second_store, &mut commands(&[later]), no_limit(), Timestamp::now()).await;
    assert!(!expect_placed(&decisions[0]).1);
}
