//! Whether a client requested a stored movement, and the response that the client must receive for it.

use common::{ids::MovementId, money::Money};
use serde_json::{Value, json};

use super::{
    MoveAttempt, RequestedMovement,
    journal::{StoredAccount, StoredEntry, StoredJournal, StoredMovement},
};

/// Whether the attempt requests this movement: the same amount between the same accounts.
pub fn requests_movement(attempt: &MoveAttempt, movement: &StoredMovement) -> bool {
    let units = attempt.requested.amount().units();
    let (kind, lines) = match attempt.requested {
        RequestedMovement::Deposit { wallet, .. } => ("deposit", [(Some(wallet), units), (None, -units)]),
        RequestedMovement::Withdraw { wallet, .. } => ("withdrawal", [(Some(wallet), -units), (None, units)]),
        RequestedMovement::Transfer { from, to, .. } => ("transfer", [(Some(from), -units), (Some(to), units)]),
    };
    let has_line = |(wallet, amount)| {
        let is_line = |entry: &&StoredEntry| {
            let booked_on = match entry.account {
                StoredAccount::Outside => None,
                StoredAccount::Wallet { id, .. } => Some(id),
            };
            (booked_on, entry.amount) == (wallet, amount)
        };
        movement.entries.iter().filter(is_line).count() == 1
    };
    movement.is_of(attempt.user)
        && movement.kind == kind
        && movement.entries.len() == lines.len()
        && lines.into_iter().all(has_line)
}

/// The body of the acknowledgement of this movement.
pub fn acknowledgement_of(
    attempt: &MoveAttempt,
    id: MovementId,
    movement: &StoredMovement,
    stored: &StoredJournal,
) -> Value {
    let balance_of = |wallet| {
        let entry = movement.entry_of(wallet)?;
        let StoredAccount::Wallet { balance, .. } = entry.account else { return None };
        Money::new(entry.currency, balance).ok()
    };
    let (amount, created_at) = (attempt.requested.amount(), movement.created_at);
    match attempt.requested {
        RequestedMovement::Deposit { wallet, .. } | RequestedMovement::Withdraw { wallet, .. } => {
            let is_deposit = matches!(attempt.requested, RequestedMovement::Deposit { .. });
            let operation_type = if is_deposit { "DEPOSIT" } else { "WITHDRAW" };
            json!({
                "id": id, "wallet_id": wallet, "operation_type": operation_type, "amount": amount,
                "balance": balance_of(wallet), "created_at": created_at,
            })
        }
        RequestedMovement::Transfer { from, to, .. } => {
            let currency = movement.entry_of(from).map(|entry| entry.currency);
            let mut transfer = json!({
                "id": id, "from": from, "to": to, "currency": currency, "amount": amount,
                "from_balance": balance_of(from), "created_at": created_at,
            });
            // The balance of a wallet of another owner is not shown.
            if stored.wallets.get(&to).is_some_and(|wallet| wallet.user == attempt.user) {
                transfer["to_balance"] = json!(balance_of(to));
            }
            transfer
        }
    }
}
