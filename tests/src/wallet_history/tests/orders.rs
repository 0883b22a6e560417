//! The checks of orders that wallets pay.

use common::{
    api::orders::{Order, OrderWallets, OrderedBy},
    api::{Code, prices::PriceState},
    ids::{MovementId, OrderId, WalletId},
    money::{Currency, FiatAmount, Rate, Sats},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    history::{Attempt, Outcome, RequestedOrder, StoredOrder},
    wallet_history::{
        Orders, StoredJournal, WalletViolation as V,
        journal::{StoredAccount, StoredEntry, StoredMovement, StoredWallet, money_of},
        timeline::{EntryTimes, Timelines},
    },
};

const ID: Uuid = Uuid::from_u128(7);
const DOLLARS: WalletId = WalletId(Uuid::from_u128(1));
const BITCOIN: WalletId = WalletId(Uuid::from_u128(2));
const WALLETS: OrderWallets = OrderWallets { paying: DOLLARS, credited: Some(BITCOIN) };

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + seconds * 1_000_000).unwrap()
}

/// An order of 3 dollars for 3 satoshi.
fn order() -> StoredOrder {
    let order = Order {
        id: OrderId(ID),
        created_at: time(1),
        currency: Currency::USD,
        amount: FiatAmount::from_ten_thousandths(30_000).unwrap(),
        exchange_rate: Rate::from_hundred_millionths(10_000_000_000_000_000).unwrap(),
        bitcoin_amount: Sats::new(3).unwrap(),
        price_as_of: time(0),
        simulated: false,
        price_state: PriceState::Fresh,
        ordered_by: OrderedBy::Amount,
        quote: None,
        client_reference: None,
        metadata: None,
        user_id: None,
        wallet_id: Some(DOLLARS),
        credit_wallet_id: Some(BITCOIN),
    };
    StoredOrder { seq: 1, idempotency_key: "key".to_owned(), order, quote: None }
}

/// A journal in which the wallet of dollars had 5 dollars and paid the order.
fn journal() -> StoredJournal {
    let entry = |wallet: Option<(WalletId, i64, i64)>, currency, amount| StoredEntry {
        movement: MovementId(ID),
        account: wallet.map_or(StoredAccount::Outside, |(id, number, balance)| StoredAccount::Wallet {
            id,
            number,
            balance,
        }),
        currency,
        amount,
    };
    let movement = |kind: &str, at, key: &str, entries| StoredMovement {
        kind: kind.to_owned(),
        created_at: time(at),
        client: "anonymous".to_owned(),
        idempotency_key: key.to_owned(),
        entries,
    };
    let deposit = vec![entry(Some((DOLLARS, 1, 50_000)), Currency::USD, 50_000), entry(None, Currency::USD, -50_000)];
    let payment = vec![
        entry(Some((DOLLARS, 2, 20_000)), Currency::USD, -30_000),
        entry(Some((BITCOIN, 1, 3)), Currency::BTC, 3),
        entry(None, Currency::USD, 30_000),
        entry(None, Currency::BTC, -3),
    ];
    let movements = [
        (MovementId(Uuid::from_u128(6)), movement("deposit", 0, "deposit", deposit)),
        (MovementId(ID), movement("order", 1, "key", payment)),
    ];
    let wallet = |currency, balance, entries| StoredWallet { currency, user: None, balance, entries };
    let wallets = [(DOLLARS, wallet(Currency::USD, 20_000, 2)), (BITCOIN, wallet(Currency::BTC, 3, 1))];
    StoredJournal { wallets: wallets.into(), movements: movements.into(), orphans: Vec::new() }
}

fn payments(journal: &StoredJournal, stored: &[StoredOrder]) -> Vec<V> {
    Orders { attempts: &[], stored }.check_payments(journal)
}

#[test]
fn order_with_its_payment_is_correct() {
    assert_eq!(payments(&journal(), &[order()]), []);
}

#[test]
fn detects_order_without_payment_and_payment_without_order() {
    let expected = [V::OrderMovementDiffers { order: ID.to_string() }];
    let mut without_payment = journal();
    without_payment.movements.remove(&MovementId(ID));
    assert_eq!(payments(&without_payment, &[order()]), expected);
    assert_eq!(payments(&journal(), &[]), expected);
}

#[test]
fn detects_payment_with_another_amount_wallet_key_or_client() {
    let changes: [fn(&mut StoredMovement); 4] = [
        |movement| movement.entries[0].amount -= 1,
        |movement| movement.entries[1].account = StoredAccount::Outside,
        |movement| movement.idempotency_key.push('x'),
        |movement| movement.client = "user:somebody".to_owned(),
    ];
    for change in changes {
        let mut journal = journal();
        change(journal.movements.get_mut(&MovementId(ID)).unwrap());
        assert_eq!(payments(&journal, &[order()]).len(), 1, "{journal:?}");
    }
}

#[test]
fn detects_refusal_of_an_order_that_the_wallet_can_pay() {
    let attempt = |dollars: i64, balance: i64, start| Attempt {
        user: None,
        idempotency_key: "other".to_owned(),
        requested: RequestedOrder::Paid {
            amount: FiatAmount::from_ten_thousandths(dollars * 10_000).unwrap(),
            wallets: WALLETS,
        },
        bitcoin_amount: None,
        start: time(start),
        end: time(start),
        outcome: Outcome::Refused {
            code: Code::InsufficientFunds,
            remaining: None,
            balance: Some(money_of(Currency::USD, balance)),
        },
    };
    let timelines = Timelines::new(&journal(), EntryTimes::Comparable, []);
    let violations = |attempt: Attempt| Orders { attempts: &[attempt], stored: &[] }.check_refusals(&timelines);
    assert_eq!(violations(attempt(3, 20_000, 2)), []);
    // The balance suffices, or the wallet did not have this balance.
    for false_refusal in [attempt(2, 20_000, 2), attempt(3, 10_000, 2), attempt(6, 20_000, 0)] {
        assert_eq!(violations(false_refusal.clone()).len(), 1, "{false_refusal:?}");
    }
}
