//! Tests of orders that are paid from wallets.

use common::{
    api::orders::OrderWallets,
    ids::{MovementId, UserId, WalletId},
    money::Money,
};
use uuid::Uuid;

use super::*;
use crate::wallets::{
    records::{Account, MovementKind, StoredWallet},
    verification::{MovementLine, OrderOfMovement, check_movements},
};

pub(super) fn id(number: u128) -> WalletId {
    WalletId(Uuid::from_u128(number))
}

pub(super) fn wallet(number: u128, user_id: Option<UserId>, code: &str, units: i64) -> StoredWallet {
    let currency = code.parse().unwrap();
    StoredWallet {
        id: id(number),
        currency,
        user_id,
        balance: Money::new(currency, units).unwrap(),
        entries: 0,
        created_at: NOW,
        last_entry_at: NOW,
        // Before the requests of most tests, so that no earlier refusal applies to these requests.
        last_refused_at: NOW.minus(MINUTE),
    }
}

/// Wallets 1 to 3 are anonymous: wallet 1 has this many euros, wallet 2 is in bitcoin, and wallet 3 is in dollars.
/// Wallet 4 belongs to a user.
fn tables(euros: i64) -> Tables {
    let wallets = [
        wallet(1, None, "EUR", euros * 10_000),
        wallet(2, None, "BTC", 0),
        wallet(3, None, "USD", 1_000_000),
        wallet(4, Some(UserId(Uuid::from_u128(1))), "EUR", 1_000_000),
    ];
    let mut tables = Tables::empty();
    tables.wallets.wallets = wallets.into_iter().map(|wallet| (wallet.id, wallet)).collect();
    tables
}

/// The order of `command`, paid from the wallet `paying`.
pub(super) fn paid(command: Command, paying: u128, credited: Option<u128>) -> Command {
    let Command::Place(command) = command else { panic!("not an order") };
    let wallets = OrderWallets { paying: id(paying), credited: credited.map(id) };
    Command::Place(PlaceCommand { wallets: Some(wallets), ..command })
}

#[track_caller]
fn refused(decision: &Decision) -> &Refused {
    match decision {
        Decision::Refused(refused) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

fn balances(tables: &Tables) -> [String; 2] {
    [1, 2].map(|number| tables.wallets.wallets[&id(number)].balance.to_string())
}

/// Asserts that the entries of each movement add up to zero in each currency.
pub(super) fn assert_balanced(tables: &Tables) {
    let lines = tables.movements.iter().flat_map(|movement| {
        movement.entries.iter().map(|entry| MovementLine {
            movement: movement.id,
            currency: Some(entry.currency.to_string()),
            amount: Some(entry.amount),
            wallet: None,
            order: OrderOfMovement::None,
        })
    });
    assert_eq!(check_movements(&lines.collect::<Vec<_>>()), []);
}

#[test]
fn one_movement_debits_the_amount_and_credits_the_bitcoin() {
    let mut tables = tables(100);
    let decision = tables.commit(NOW, &mut [paid(market("a", 30), 1, Some(2))]).remove(0);
    let order = &placed(&decision).order;
    assert_eq!((order.wallet_id, order.credit_wallet_id), (Some(id(1)), Some(id(2))));
    let movement = &tables.movements[0];
    assert_eq!((movement.id, movement.kind), (MovementId(order.id.0), MovementKind::Order));
    let lines: Vec<_> = movement
        .entries
        .iter()
        .map(|entry| {
            let wallet = match entry.account {
                Account::Wallet { id, .. } => Some(id),
                Account::Outside => None,
            };
            (wallet, entry.currency.to_string(), entry.amount)
        })
        .collect();
    let line = |wallet: Option<u128>, code: &str, amount| (wallet.map(id), code.to_owned(), amount);
    let expected =
        [line(Some(1), "EUR", -690_000), line(Some(2), "BTC", 30), line(None, "EUR", 690_000), line(None, "BTC", -30)];
    assert_eq!(lines, expected);
    assert_eq!(balances(&tables), ["31.00", "0.00000030"]);

    // Without a wallet for the bitcoin, only the balance of the paying wallet changes.
    let decision = tables.commit(NOW, &mut [paid(market_of("b", "31", Some(price(5, NOW.plus(MINUTE)))), 1, None)]);
    assert_eq!(placed(&decision[0]).order.credit_wallet_id, None);
    assert_eq!(balances(&tables), ["0.00", "0.00000030"]);
    assert_balanced(&tables);
}

#[test]
fn orders_are_decided_in_sequence_and_refused_orders_change_no_balance() {
    let mut tables = tables(140);
    let decisions = tables.commit(
        NOW,
        &mut [
            paid(market("a", 20), 1, Some(2)),
            market("b", 20),
            paid(market("c", 20), 1, Some(2)),
            // The paying wallet has 2.00 EUR left.
            paid(market("d", 20), 1, Some(2)),
            // 40 satoshi of the limit remain, because the refused order used nothing.
            market("e", 40),
            paid(market("f", 1), 1, Some(2)),
        ],
    );
    let no_funds = refused(&decisions[3]);
    assert_eq!((no_funds.reason, no_funds.wallet_id), (RefusalReason::InsufficientFunds, Some(id(1))));
    assert_eq!(
        (no_funds.wallet_currency, no_funds.balance.unwrap().to_string()),
        (Some(Currency::EUR), "2.00".to_owned())
    );
    let over_limit = refused(&decisions[5]);
    assert_eq!((over_limit.reason, over_limit.remaining), (RefusalReason::LimitExceeded, Some(Sats::ZERO)));
    for index in [0, 1, 2, 4] {
        placed(&decisions[index]);
    }
    assert_eq!((tables.totals.orders, tables.totals.bitcoin), (4, sats(100)));
    assert_eq!(balances(&tables), ["2.00", "0.00000040"]);
}

#[test]
fn order_refused_because_of_its_wallets_changes_no_balance_and_no_total() {
    let mut tables = tables(100);
    let highest = Money::new(Currency::BTC, Money::MAX_UNITS).unwrap();
    tables.wallets.wallets.insert(id(5), StoredWallet { balance: highest, ..wallet(5, None, "BTC", 0) });
    let before = tables.wallets.wallets.clone();
    for (paying, credited, reason, wallet, currency) in [
        (9, None, RefusalReason::WalletNotFound, 9, None),
        (4, None, RefusalReason::WalletNotFound, 4, None),
        (1, Some(9), RefusalReason::WalletNotFound, 9, None),
        (3, None, RefusalReason::WalletCurrency, 3, Some("USD")),
        (2, None, RefusalReason::WalletCurrency, 2, Some("BTC")),
        (1, Some(3), RefusalReason::WalletCurrency, 3, Some("USD")),
    ] {
        let Decided { decisions, changes } = tables.decide(100, NOW, &mut [paid(market("a", 30), paying, credited)]);
        let refused = refused(&decisions[0]);
        let shown = refused.wallet_currency.map(|currency| currency.to_string());
        assert_eq!((refused.reason, refused.wallet_id, shown.as_deref()), (reason, Some(id(wallet)), currency));
        assert_eq!((refused.balance, changes), (None, None));
    }
    let decisions = tables.commit(NOW, &mut [paid(market("b", 30), 1, Some(5))]);
    let out_of_range = refused(&decisions[0]);
    assert_eq!((out_of_range.reason, out_of_range.wallet_id), (RefusalReason::BalanceOutOfRange, Some(id(5))));
    assert_eq!((tables.totals.orders, tables.totals.bitcoin), (0, Sats::ZERO));
    for (id, wallet) in before {
        assert_eq!(tables.wallets.wallets[&id].balance, wallet.balance);
    }
}

#[test]
fn replay_returns_the_order_and_a_request_with_other_wallets_is_refused() {
    let mut tables = tables(100);
    let first = tables.commit(NOW, &mut [paid(market("a", 30), 1, Some(2))]).remove(0);
    let again = tables.commit(NOW, &mut [paid(market("a", 30), 1, Some(2))]).remove(0);
    assert_eq!((&placed(&again).order, placed(&again).replayed), (&placed(&first).order, true));
    for other in [market("a", 30), paid(market("a", 30), 1, None), paid(market("a", 30), 3, Some(2))] {
        let decision = tables.commit(NOW, &mut [other]).remove(0);
        assert_eq!(refused(&decision).reason, RefusalReason::KeyReused);
    }
    tables.commit(NOW, &mut [market("b", 10)]);
    let decision = tables.commit(NOW, &mut [paid(market("b", 10), 1, None)]).remove(0);
    assert_eq!(refused(&decision).reason, RefusalReason::KeyReused);
    assert_eq!((balances(&tables), tables.movements.len()), (["31.00".to_owned(), "0.00000030".to_owned()], 1));
}

#[test]
fn quote_whose_order_cannot_be_paid_remains_open() {
    let mut tables = tables(68);
    let quoted = tables.commit(NOW, &mut [quote(40, 60)]).remove(0);
    let Decision::Quoted(quote) = quoted else { panic!("{quoted:?}") };
    let take = |key| paid(place(key, OrderTerms::Quote(quote.id)), 1, Some(2));
    let refusals = tables.commit(NOW, &mut [take("a")]);
    assert_eq!(refused(&refusals[0]).reason, RefusalReason::InsufficientFunds);
    assert_eq!((tables.totals.reserved, tables.totals.bitcoin), (sats(40), Sats::ZERO));
    assert_eq!(tables.records.quotes[&quote.id].quote.state, QuoteState::Open);

    tables.wallets.wallets.insert(id(1), wallet(1, None, "EUR", 690_000));
    let decision = tables.commit(seconds_later(1), &mut [take("b")]).remove(0);
    assert_eq!(placed(&decision).order.quote, Some(quote.id));
    assert_eq!((tables.totals.reserved, tables.totals.bitcoin), (Sats::ZERO, sats(40)));
    assert_eq!(balances(&tables), ["0.00", "0.00000040"]);
}

#[test]
fn delayed_duplicate_of_an_order_without_funds_is_refused() {
    let mut tables = tables(1);
    let order = |key, seconds| requested_at(paid(market(key, 30), 1, None), seconds_later(seconds));
    let first = tables.commit(seconds_later(10), &mut [order("a", 9)]).remove(0);
    assert_eq!(refused(&first).reason, RefusalReason::InsufficientFunds);
    let last_refused_at = tables.wallets.wallets[&id(1)].last_refused_at;
    assert_eq!(last_refused_at, seconds_later(10));
    tables.wallets.wallets.insert(id(1), StoredWallet { last_refused_at, ..wallet(1, None, "EUR", 5_000_000) });
    // The duplicate was requested before the refusal, and waited in another queue.
    assert_eq!(tables.commit(NOW.plus(MINUTE / 2), &mut [order("a", 8)]).remove(0), first);
    // A request with another key, and a later request with the same key, are decided anew.
    placed(&tables.commit(NOW.plus(MINUTE / 2), &mut [order("b", 8)])[0]);
    placed(&tables.commit(NOW.plus(MINUTE / 2), &mut [order("a", 11)])[0]);
}

#[test]
fn movement_is_later_than_the_last_entry_of_each_wallet_and_the_order_keeps_its_time() {
    let mut tables = tables(100);
    let last_entry_at = seconds_later(3);
    tables.wallets.wallets.get_mut(&id(2)).unwrap().last_entry_at = last_entry_at;
    let decision = tables.commit(NOW, &mut [paid(market("a", 30), 1, Some(2))]).remove(0);
    assert_eq!(placed(&decision).order.created_at, NOW);
    assert!(tables.movements[0].created_at > last_entry_at);
}

#[test]
fn batch_without_paid_orders_changes_no_journal() {
    let (_, changes) = decide_first(100, &mut [market("a", 30), quote(10, 30)]);
    assert_eq!(changes.wallet_changes, None);
}
