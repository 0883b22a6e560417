//! The rules that the journal must satisfy, independently of the requests of clients.

use std::collections::BTreeMap;

use common::{
    ids::{MovementId, WalletId},
    money::Currency,
    time::Timestamp,
};

use super::{
    WalletViolation,
    journal::{StoredAccount, StoredJournal, StoredMovement, StoredWallet},
};

/// An entry of a wallet.
#[derive(Debug, Clone, Copy)]
struct WalletEntry {
    number: i64,
    amount: i64,
    /// The balance after the entry.
    balance: i64,
    created_at: Timestamp,
}

/// Returns every violation of a rule by the journal.
pub fn check_journal(stored: &StoredJournal) -> Vec<WalletViolation> {
    let mut violations = Vec::new();
    let mut by_wallet: BTreeMap<WalletId, Vec<WalletEntry>> = BTreeMap::new();
    for (id, movement) in &stored.movements {
        check_movement(*id, movement, &mut violations);
        for entry in &movement.entries {
            let StoredAccount::Wallet { id, number, balance } = entry.account else { continue };
            if stored.wallets.get(&id).is_none_or(|wallet| wallet.currency != entry.currency) {
                violations.push(WalletViolation::OrphanedEntry { movement: entry.movement });
            }
            let entry = WalletEntry { number, amount: entry.amount, balance, created_at: movement.created_at };
            by_wallet.entry(id).or_default().push(entry);
        }
    }
    violations.extend(stored.orphans.iter().map(|entry| WalletViolation::OrphanedEntry { movement: entry.movement }));
    for (id, wallet) in &stored.wallets {
        let mut entries = by_wallet.remove(id).unwrap_or_default();
        entries.sort_by_key(|entry| entry.number);
        check_wallet(*id, wallet, &entries, &mut violations);
    }
    violations
}

/// Checks that the entries add up to zero in each currency, and match the kind of the movement.
fn check_movement(id: MovementId, movement: &StoredMovement, violations: &mut Vec<WalletViolation>) {
    let mut sums: BTreeMap<Currency, i64> = BTreeMap::new();
    for entry in &movement.entries {
        *sums.entry(entry.currency).or_default() += entry.amount;
    }
    let unbalanced = sums.into_iter().filter(|(_, sum)| *sum != 0);
    violations.extend(unbalanced.map(|(currency, sum)| WalletViolation::NotBalanced { movement: id, currency, sum }));
    let signs = |outside: bool| {
        let entries = movement.entries.iter().filter(|entry| (entry.account == StoredAccount::Outside) == outside);
        let mut signs: Vec<_> = entries.map(|entry| entry.amount.signum()).collect();
        signs.sort_unstable();
        signs
    };
    let is_valid = match (movement.kind.as_str(), &signs(false)[..], &signs(true)[..]) {
        ("deposit", [1], [-1]) | ("withdrawal", [-1], [1]) | ("transfer", [-1, 1], []) => true,
        // `Orders::check_payments` compares these entries with the order.
        ("order", wallets, _) => !wallets.is_empty(),
        _ => false,
    };
    if !is_valid {
        violations.push(WalletViolation::WrongEntries { movement: id, kind: movement.kind.clone() });
    }
}

/// Checks the entries of a wallet. Their numbers have no gap, and their times increase. The balance after an entry is
/// the sum of the amounts so far, and not negative. The wallet has the balance after its last entry, and the right
/// number of entries.
fn check_wallet(
    wallet: WalletId,
    stored: &StoredWallet,
    entries: &[WalletEntry],
    violations: &mut Vec<WalletViolation>,
) {
    let (mut sum, mut after, mut time) = (0, 0, None);
    for &WalletEntry { number, amount, balance, created_at } in entries {
        if number != after + 1 {
            violations.push(WalletViolation::NumberGap { wallet, after, next: number });
        }
        if time.is_some_and(|time| created_at <= time) {
            violations.push(WalletViolation::TimeNotIncreasing { wallet, number });
        }
        sum += amount;
        if balance != sum {
            violations.push(WalletViolation::WrongBalanceAfter { wallet, number, balance, sum });
        }
        if balance < 0 {
            violations.push(WalletViolation::NegativeBalance { wallet, number, balance });
        }
        (after, time) = (number, Some(created_at));
    }
    if stored.balance != sum {
        violations.push(WalletViolation::WrongBalance { wallet, balance: stored.balance, sum });
    }
    if i64::try_from(entries.len()) != Ok(stored.entries) {
        let entries = entries.len();
        violations.push(WalletViolation::WrongEntryCount { wallet, stored: stored.entries, entries });
    }
}
