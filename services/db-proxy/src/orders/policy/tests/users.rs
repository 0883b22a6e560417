//! Tests of the orders and quotes of users: which user may take a quote, which user an idempotency key belongs to, and how the
//! orders of users are counted.

use common::{api::orders::client_name, ids::UserId};

use super::*;

const ADA: Option<UserId> = Some(UserId(uuid::Uuid::from_u128(1)));
const BOB: Option<UserId> = Some(UserId(uuid::Uuid::from_u128(2)));

/// The command, sent by this user.
fn as_user(user: Option<UserId>, command: Command) -> Command {
    let client = client_name(user);
    match command {
        Command::Place(command) => {
            let key = ClientKey { client, ..command.key };
            Command::Place(PlaceCommand { key, user, ..command })
        }
        Command::Quote(command) => Command::Quote(QuoteCommand { client: Some(client), user, ..command }),
        Command::ReleaseQuote(release) => {
            Command::ReleaseQuote(ReleaseQuoteCommand { owner: OwnerFilter::of(user), ..release })
        }
    }
}

fn release(id: QuoteId, owner: OwnerFilter) -> Command {
    Command::ReleaseQuote(ReleaseQuoteCommand { id, owner })
}

#[test]
fn order_has_the_user_who_placed_it() {
    let (decisions, changes) = decide_first(100, &mut [as_user(ADA, market("1", 10)), market("2", 20)]);
    assert_eq!(placed(&decisions[0]).order.user_id, ADA);
    assert_eq!(placed(&decisions[1]).order.user_id, None);
    assert_eq!(changes.orders[0].stored.order.user_id, ADA);
    let Totals { orders, bitcoin, user_orders, user_bitcoin, .. } = changes.totals;
    assert_eq!((orders, bitcoin, user_orders, user_bitcoin), (2, sats(30), 1, sats(10)));
}

#[test]
fn same_key_of_different_users_places_different_orders() {
    let mut tables = Tables::empty();
    let decisions =
        tables.commit(NOW, &mut [market("1", 10), as_user(ADA, market("1", 10)), as_user(BOB, market("1", 10))]);
    let ids: Vec<_> = decisions.iter().map(|decision| placed(decision).order.id).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    // Each repetition returns the order of its own user.
    let again =
        tables.commit(NOW, &mut [as_user(BOB, market("1", 10)), as_user(ADA, market("1", 10)), market("1", 10)]);
    let repeated: Vec<_> =
        again.iter().map(|decision| (placed(decision).order.id, placed(decision).replayed)).collect();
    assert_eq!(repeated, [(ids[2], true), (ids[1], true), (ids[0], true)]);
}

#[test]
fn order_of_a_user_counts_the_anonymous_orders_before_it() {
    let mut tables = Tables::empty();
    let batch = &mut [
        as_user(ADA, market("1", 1)),
        market("2", 1),
        market("3", 1),
        as_user(BOB, market("4", 1)),
        as_user(ADA, market("5", 1)),
        market("6", 1),
        as_user(ADA, market("7", 1)),
    ];
    let changes = tables.decide(100, NOW, batch).changes.unwrap();
    tables.write(&changes);
    let counts = |changes: &ChangeSet| changes.orders.iter().map(|row| row.anonymous_before).collect::<Vec<_>>();
    assert_eq!(counts(&changes), [Some(0), None, None, Some(2), Some(2), None, Some(3)]);
    // A db-proxy of the previous release places two anonymous orders, and updates only the number of all orders.
    tables.totals.orders += 2;
    let changes = tables.decide(100, NOW, &mut [as_user(BOB, market("8", 1))]).changes.unwrap();
    assert_eq!((counts(&changes), changes.orders[0].stored.seq), (vec![Some(5)], 10));
}

/// The decisions are the same as for a quote that does not exist.
#[test]
fn quote_of_another_owner_is_unknown() {
    let unknown = QuoteId(uuid::Uuid::from_u128(7));
    for (owner, others) in [(ADA, [BOB, None]), (None, [ADA, BOB])] {
        let mut tables = Tables::empty();
        let id = quoted(&tables.commit(NOW, &mut [as_user(owner, quote(60, 30))])[0]).id;
        for (number, other) in others.into_iter().enumerate() {
            let take = |id| as_user(other, place(&format!("other-{number}"), OrderTerms::Quote(id)));
            let filter = OwnerFilter::of(other);
            let decided = tables.decide(100, NOW, &mut [take(id), release(id, filter)]);
            assert_eq!(decided.changes, None);
            assert_eq!(
                decided.decisions,
                tables.decide(100, NOW, &mut [take(unknown), release(unknown, filter)]).decisions
            );
            assert_eq!(refused(&decided.decisions[0]), (RefusalReason::QuoteUnknown, None));
        }
        let decisions = tables.commit(NOW, &mut [as_user(owner, place("own", OrderTerms::Quote(id)))]);
        assert_eq!((placed(&decisions[0]).order.user_id, placed(&decisions[0]).order.quote), (owner, Some(id)));
    }
}

/// Other users and anonymous clients do not receive the reason `QuoteTaken`.
#[test]
fn taken_quote_of_another_owner_is_unknown() {
    let mut tables = Tables::empty();
    let id = quoted(&tables.commit(NOW, &mut [as_user(ADA, quote(60, 30))])[0]).id;
    tables.commit(NOW, &mut [as_user(ADA, place("1", OrderTerms::Quote(id)))]);
    let decisions = tables.commit(
        NOW,
        &mut [
            as_user(BOB, place("2", OrderTerms::Quote(id))),
            as_user(ADA, place("2", OrderTerms::Quote(id))),
            release(id, OwnerFilter::Anonymous),
        ],
    );
    let reasons: Vec<_> = decisions.iter().map(|decision| refused(decision).0).collect();
    assert_eq!(reasons, [RefusalReason::QuoteUnknown, RefusalReason::QuoteTaken, RefusalReason::QuoteUnknown]);
}

#[test]
fn quote_is_released_by_its_user_and_by_an_operator() {
    for owner in [OwnerFilter::of(ADA), OwnerFilter::Everybody] {
        let mut tables = Tables::empty();
        let id = quoted(&tables.commit(NOW, &mut [as_user(ADA, quote(60, 30))])[0]).id;
        let decisions = tables.commit(NOW, &mut [release(id, owner)]);
        assert!(matches!(&decisions[0], Decision::QuoteReleased(quote) if quote.id == id), "{decisions:?}");
        assert_eq!(tables.totals.reserved, Sats::ZERO);
    }
}
