use ViolationKind::{
    BalanceDiffers, EntryCountDiffers, GapInNumbers, MissingPayment, NoMovement, NotBalanced, TooFewEntries,
    WrongBalanceAfter, WrongOrder, WrongWallet,
};
use uuid::Uuid;

use super::*;

fn wallet_id(number: u128) -> WalletId {
    WalletId(Uuid::from_u128(number))
}

fn movement_id(number: u128) -> MovementId {
    MovementId(Uuid::from_u128(number))
}

fn entry(wallet: u128, number: i64, amount: i64, balance: i64) -> JournalEntry {
    JournalEntry {
        wallet: wallet_id(wallet),
        number,
        movement: movement_id(1),
        amount,
        balance,
        is_of_wallet: true,
        has_movement: true,
    }
}

fn line(movement: u128, currency: &str, amount: i64) -> MovementLine {
    MovementLine {
        movement: movement_id(movement),
        currency: Some(currency.to_owned()),
        amount: Some(amount),
        wallet: None,
        order: OrderOfMovement::None,
    }
}

fn kinds(violations: &[Violation]) -> Vec<ViolationKind> {
    violations.iter().map(|violation| violation.kind).collect()
}

#[test]
fn wallet_must_have_the_balance_and_the_number_of_its_last_entry() {
    let wallet = |balance, entries, last: Option<(i64, i64)>| WalletBalance {
        id: wallet_id(7),
        balance,
        entries,
        last_number: last.map(|(number, _)| number),
        last_balance: last.map(|(_, balance)| balance),
    };
    assert_eq!(check_wallets(&[wallet(0, 0, None), wallet(5, 2, Some((2, 5)))]), []);
    let violations = check_wallets(&[wallet(5, 2, Some((2, 6)))]);
    assert_eq!((kinds(&violations), violations[0].wallet_id), (vec![BalanceDiffers], Some(wallet_id(7))));
    assert_eq!(kinds(&check_wallets(&[wallet(5, 3, Some((2, 5)))])), [EntryCountDiffers]);
    // The only stored entry is lost.
    assert_eq!(kinds(&check_wallets(&[wallet(5, 1, None)])), [EntryCountDiffers, BalanceDiffers]);
}

#[test]
fn entries_of_a_wallet_must_have_successive_numbers_and_balances() {
    let entries = [entry(1, 1, 5, 5), entry(1, 2, -3, 2), entry(2, 1, 9, 9), entry(2, 2, 1, 10)];
    assert_eq!(check_entries(None, &entries), []);
    for split in 1..entries.len() {
        assert_eq!(check_entries(Some(&entries[split - 1]), &entries[split..]), [], "{split}");
    }
    // The second entry of a wallet, without the first entry.
    assert_eq!(kinds(&check_entries(None, &entries[1..])), [GapInNumbers]);
    let violations = check_entries(None, &[entry(1, 1, 5, 5), entry(1, 3, 1, 6), entry(1, 4, 1, 7)]);
    assert_eq!((kinds(&violations), violations[0].number), (vec![GapInNumbers], Some(3)));
    assert_eq!(kinds(&check_entries(None, &[entry(1, 1, 5, 5), entry(1, 2, 1, 7)])), [WrongBalanceAfter]);
    assert_eq!(kinds(&check_entries(None, &[entry(1, 1, i64::MAX, 5)])), [WrongBalanceAfter]);
}

#[test]
fn entry_needs_its_wallet_and_its_movement() {
    let entry = JournalEntry { is_of_wallet: false, has_movement: false, ..entry(1, 1, 5, 5) };
    assert_eq!(kinds(&check_entries(None, &[entry])), [WrongWallet, NoMovement]);
}

#[test]
fn movements_add_up_to_zero_in_each_currency() {
    let lines = [
        line(1, "USD", 5),
        line(1, "USD", -5),
        line(2, "USD", -5),
        line(2, "USD", 5),
        line(2, "BTC", 7),
        line(2, "BTC", -7),
    ];
    assert_eq!(check_movements(&lines), []);
    let violations = check_movements(&lines[1..]);
    assert_eq!((kinds(&violations), violations[0].movement_id), (vec![NotBalanced], Some(movement_id(1))));
    assert_eq!(kinds(&check_movements(&[line(1, "USD", 5), line(1, "EUR", -5)])), [NotBalanced]);
    assert_eq!(kinds(&check_movements(&[line(1, "USD", i64::MAX), line(1, "USD", i64::MAX)])), [NotBalanced]);
    let empty = MovementLine { currency: None, amount: None, ..line(3, "USD", 0) };
    assert_eq!(kinds(&check_movements(&[empty])), [TooFewEntries]);
}

#[test]
fn movement_of_an_order_must_be_the_payment_that_the_order_states() {
    let wallet = |number| WalletId(Uuid::from_u128(number));
    let order = StatedPayment {
        paying: Some(wallet(1)),
        credited: Some(wallet(2)),
        currency: "EUR".to_owned(),
        amount: 690_000,
        bitcoin: 30,
    };
    let lines = |order: OrderOfMovement| {
        let line =
            |wallet, currency, amount| MovementLine { wallet, order: order.clone(), ..line(1, currency, amount) };
        [
            line(Some(wallet(1)), "EUR", -690_000),
            line(Some(wallet(2)), "BTC", 30),
            line(None, "EUR", 690_000),
            line(None, "BTC", -30),
        ]
    };
    assert_eq!(check_movements(&lines(OrderOfMovement::Order(order.clone()))), []);
    for wrong in [
        StatedPayment { paying: Some(wallet(3)), ..order.clone() },
        StatedPayment { paying: None, ..order.clone() },
        StatedPayment { credited: None, ..order.clone() },
        StatedPayment { currency: "USD".to_owned(), ..order.clone() },
        StatedPayment { amount: 690_001, ..order.clone() },
        StatedPayment { bitcoin: 31, ..order.clone() },
    ] {
        assert_eq!(kinds(&check_movements(&lines(OrderOfMovement::Order(wrong)))), [WrongOrder]);
    }
    assert_eq!(kinds(&check_movements(&lines(OrderOfMovement::Missing))), [WrongOrder]);
}

#[test]
fn paid_order_needs_its_movement() {
    let order = |number, has_movement| PaidOrder { order: OrderId(Uuid::from_u128(number)), has_movement };
    let violations = check_paid_orders(&[order(1, true), order(2, false)]);
    assert_eq!((kinds(&violations), violations[0].order_id), (vec![MissingPayment], Some(OrderId(Uuid::from_u128(2)))));
}
