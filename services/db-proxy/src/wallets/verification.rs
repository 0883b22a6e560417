//! The check of the journal, without I/O. The rules:
//!
//! - Each balance follows from the entries of its wallet.
//! - The entries of each wallet are numbered without a gap.
//! - Each entry of a wallet has the currency of the wallet and belongs to a movement.
//! - Each movement has two or more entries, which add up to zero in each currency.
//! - The movement of an order is the payment that the order states.
//! - Each order that a wallet paid has a movement.
//!
//! The rows are checked in pages, which limits the memory and the duration of each check. Entries are only added, so rows that are
//! added between two pages do not disturb the check.

use std::collections::BTreeMap;

use common::{
    api::wallets::{Violation, ViolationKind},
    ids::{MovementId, OrderId, WalletId},
    money::Currency,
};

/// A wallet, with its newest entry. Amounts are in the smallest unit of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletBalance {
    pub id: WalletId,
    pub balance: i64,
    /// The number of entries that is stored with the wallet.
    pub entries: i64,
    /// The number of the newest entry. `None` if the wallet has no entry.
    pub last_number: Option<i64>,
    /// The balance after the newest entry.
    pub last_balance: Option<i64>,
}

/// An entry of a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalEntry {
    pub wallet: WalletId,
    pub number: i64,
    pub movement: MovementId,
    pub amount: i64,
    pub balance: i64,
    /// Whether the wallet exists and has the currency of the entry.
    pub is_of_wallet: bool,
    /// Whether the movement exists.
    pub has_movement: bool,
}

/// An entry of a movement. A movement without an entry has one line without an amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementLine {
    pub movement: MovementId,
    pub currency: Option<String>,
    pub amount: Option<i64>,
    /// `None` for the account for money outside Buydesk, and for a movement without an entry.
    pub wallet: Option<WalletId>,
    pub order: OrderOfMovement,
}

/// The order to which a movement belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderOfMovement {
    /// The movement is a deposit, a withdrawal or a transfer.
    None,
    /// The movement pays an order that does not exist.
    Missing,
    /// The movement pays an order that states this payment.
    Order(StatedPayment),
}

/// The payment that an order states. `amount` is in the smallest unit of `currency`, and `bitcoin` is in satoshi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedPayment {
    pub paying: Option<WalletId>,
    pub credited: Option<WalletId>,
    pub currency: String,
    pub amount: i64,
    pub bitcoin: i64,
}

/// An order that a wallet paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaidOrder {
    pub order: OrderId,
    /// Whether the movement of the order exists.
    pub has_movement: bool,
}

/// Compares wallets with their newest entries.
pub fn check_wallets(wallets: &[WalletBalance]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for wallet in wallets {
        let mut add = |kind| {
            violations.push(Violation { wallet_id: Some(wallet.id), ..violation(kind) });
        };
        if wallet.entries != wallet.last_number.unwrap_or(0) {
            add(ViolationKind::EntryCountDiffers);
        }
        if wallet.balance != wallet.last_balance.unwrap_or(0) {
            add(ViolationKind::BalanceDiffers);
        }
    }
    violations
}

/// Checks entries in the order of their wallets and numbers. `previous` is the entry before the first entry, or `None`
/// if there is none. If `previous` is not an entry of the same wallet, the first entry must have the number 1.
pub fn check_entries(previous: Option<&JournalEntry>, entries: &[JournalEntry]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut previous = previous.copied();
    for entry in entries {
        let mut add = |kind| {
            let (number, movement_id) = (Some(entry.number), Some(entry.movement));
            violations.push(Violation { wallet_id: Some(entry.wallet), number, movement_id, ..violation(kind) });
        };
        let before = previous.filter(|previous| previous.wallet == entry.wallet);
        let (number, balance) = before.map_or((0, 0), |before| (before.number, before.balance));
        if entry.number != number + 1 {
            add(ViolationKind::GapInNumbers);
        } else if balance.checked_add(entry.amount) != Some(entry.balance) {
            // After a gap, the balance before the entry is unknown.
            add(ViolationKind::WrongBalanceAfter);
        }
        if !entry.is_of_wallet {
            add(ViolationKind::WrongWallet);
        }
        if !entry.has_movement {
            add(ViolationKind::NoMovement);
        }
        previous = Some(*entry);
    }
    violations
}

/// Checks complete movements. The lines of each movement must be adjacent.
pub fn check_movements(lines: &[MovementLine]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for lines in lines.chunk_by(|a, b| a.movement == b.movement) {
        let mut sums = BTreeMap::<&str, i128>::new();
        let mut entries = 0;
        for line in lines {
            if let (Some(currency), Some(amount)) = (&line.currency, line.amount) {
                *sums.entry(currency).or_default() += i128::from(amount);
                entries += 1;
            }
        }
        let kind = if sums.values().any(|sum| *sum != 0) {
            ViolationKind::NotBalanced
        } else if entries < 2 {
            ViolationKind::TooFewEntries
        } else if !is_of_its_order(lines) {
            ViolationKind::WrongOrder
        } else {
            continue;
        };
        let movement_id = lines.first().map(|line| line.movement);
        violations.push(Violation { movement_id, ..violation(kind) });
    }
    violations
}

/// Finds the paid orders without a movement. [`check_movements`] checks whether a movement is the payment of its order.
pub fn check_paid_orders(orders: &[PaidOrder]) -> Vec<Violation> {
    let violation_of =
        |order: &PaidOrder| Violation { order_id: Some(order.order), ..violation(ViolationKind::MissingPayment) };
    orders.iter().filter(|order| !order.has_movement).map(violation_of).collect()
}

/// A violation that names no rows yet.
fn violation(kind: ViolationKind) -> Violation {
    Violation { kind, wallet_id: None, number: None, movement_id: None, order_id: None }
}

/// Whether the changes of wallets in a movement are the payment that its order states. True for a deposit, a withdrawal
/// and a transfer. False if the order does not exist.
fn is_of_its_order(lines: &[MovementLine]) -> bool {
    let order = match lines.first().map(|line| &line.order) {
        None | Some(OrderOfMovement::None) => return true,
        Some(OrderOfMovement::Missing) => return false,
        Some(OrderOfMovement::Order(order)) => order,
    };
    let StatedPayment { paying, credited, currency, amount, bitcoin } = order;
    let payment = paying.map(|wallet| (wallet, currency.as_str(), -amount));
    let credit = credited.map(|wallet| (wallet, Currency::BTC.as_str(), *bitcoin));
    let changes = lines.iter().filter_map(|line| Some((line.wallet?, line.currency.as_deref()?, line.amount?)));
    payment.is_some() && changes.eq(payment.into_iter().chain(credit))
}

#[cfg(test)]
mod tests;
