//! The decisions about movements of money, without I/O: idempotency, owners, currencies, and the range of balances.
//!
//! Commands are decided in the order of their arrival. Each decision uses the balances that the previous commands
//! leave. A refused command changes no balance.

use std::collections::HashMap;

use common::{
    api::{
        orders::OwnerFilter,
        wallets::{MoveRefusalReason, MoveRefused, OperationType},
    },
    ids::WalletId,
    money::{Currency, OperationAmount},
    time::Timestamp,
};

use super::{
    command::{Decision, MoveMoneyCommand, MoveTerms},
    records::{Account, ChangeSet, Movement, MovementKind, RecordedRefusal, RefusalKey, Snapshot, StoredWallet},
    running_balances::{Change, Posting, RunningBalances},
};
use crate::{client_key::ClientKey, group_commit::Decided};

/// Decides a batch. Adds the id of each new movement to the `attempted_ids` of its command.
pub fn decide_batch(snapshot: Snapshot, commands: &mut [MoveMoneyCommand]) -> Decided<Decision, ChangeSet> {
    let Snapshot { locked, movements, now } = snapshot;
    let mut state = DecisionState { balances: RunningBalances::new(locked), movements, now };
    let decisions = commands.iter_mut().map(|command| state.decide_command(command)).collect();
    Decided { decisions, changes: state.balances.into_changes() }
}

/// The state while a batch is decided: the snapshot with the changes of earlier commands of the batch.
struct DecisionState {
    balances: RunningBalances,
    /// The movements that have the keys of the batch, including the movements of earlier commands of the batch.
    movements: HashMap<ClientKey, Movement>,
    now: Timestamp,
}

/// The changes of a valid command, before the balances are checked.
struct Plan {
    kind: MovementKind,
    /// The changes of the wallets, in the order of the entries.
    changes: Vec<Change>,
    /// Whether every changed wallet belongs to the owner. Only the wallet that receives a transfer may belong to another owner.
    all_owned: bool,
}

impl DecisionState {
    fn decide_command(&mut self, command: &mut MoveMoneyCommand) -> Decision {
        // Invalid terms are refused before the key is looked up. A copy of the request therefore gets the same refusal
        // even if another request used the key in the meantime.
        let plan = match self.plan(command.owner, command.terms) {
            Ok(plan) => plan,
            Err(refused) => return Decision::Refused(refused),
        };
        if let Some(stored) = self.movements.get(&command.key) {
            if has_terms(stored, command.terms) {
                let replayed = !command.attempted_ids.contains(&stored.id);
                return Decision::Moved { movement: stored.clone(), replayed, shows_receiver: plan.all_owned };
            }
            // The key belongs to a different request. If a recorded refusal applies to this request, the refusal is
            // repeated.
            let reused =
                MoveRefused { reason: MoveRefusalReason::KeyReused, wallet_id: None, balance: None, currency: None };
            let refusal = self.applicable_refusal(command);
            return Decision::Refused(refusal.map_or(reused, |refusal| self.shown_refusal(command.owner, refusal)));
        }
        if let Some(refusal) = self.applicable_refusal(command) {
            return Decision::Refused(self.shown_refusal(command.owner, refusal));
        }
        let Plan { kind, changes, all_owned } = plan;
        match self.balances.permit(changes, self.now) {
            Ok(permitted) => {
                let MoveMoneyCommand { key, written_by, .. } = &*command;
                let posting = Posting { kind, id: None, not_before: self.now, key, written_by: *written_by };
                let movement = self.balances.book(posting, permitted).clone();
                command.attempted_ids.push(movement.id);
                self.movements.insert(command.key.clone(), movement.clone());
                Decision::Moved { movement, replayed: false, shows_receiver: all_owned }
            }
            Err(refusal) => {
                self.balances.record_refusal(RefusalKey::of(command), command.terms.primary_wallet(), refusal);
                Decision::Refused(self.shown_refusal(command.owner, &refusal))
            }
        }
    }

    fn applicable_refusal(&self, command: &MoveMoneyCommand) -> Option<&RecordedRefusal> {
        self.balances.applicable_refusal(|| RefusalKey::of(command), command.requested_at, self.now)
    }

    /// Checks the wallets, their owners and currencies, and the amount, but not the balances.
    fn plan(&self, owner: OwnerFilter, terms: MoveTerms) -> Result<Plan, MoveRefused> {
        match terms {
            MoveTerms::Operation { operation_type, wallet, amount } => {
                let StoredWallet { currency, .. } = self.find_wallet(wallet, owner)?;
                let amount = units_of(amount, wallet, *currency)?;
                let (kind, amount) = match operation_type {
                    OperationType::Deposit => (MovementKind::Deposit, amount),
                    OperationType::Withdraw => (MovementKind::Withdrawal, -amount),
                };
                Ok(Plan { kind, changes: vec![Change { wallet, amount }], all_owned: true })
            }
            MoveTerms::Transfer { from, to, amount } => {
                let currency = self.find_wallet(from, owner)?.currency;
                // Any client may pay into any wallet.
                let receiver = self.find_wallet(to, OwnerFilter::Everybody)?;
                if from == to {
                    return Err(refusal_of(MoveRefusalReason::SameWallet, to));
                }
                if receiver.currency != currency {
                    let refused = refusal_of(MoveRefusalReason::CurrencyMismatch, from);
                    return Err(MoveRefused { currency: Some(currency), ..refused });
                }
                let all_owned = owner.selects(receiver.user_id);
                let amount = units_of(amount, from, currency)?;
                let changes = vec![Change { wallet: from, amount: -amount }, Change { wallet: to, amount }];
                Ok(Plan { kind: MovementKind::Transfer, changes, all_owned })
            }
        }
    }

    /// The refusal that the owner of the command sees. It shows neither the balance nor the currency of a wallet of another owner.
    fn shown_refusal(&self, owner: OwnerFilter, refusal: &RecordedRefusal) -> MoveRefused {
        let refused = refusal.refused();
        match self.find_wallet(refusal.wallet, owner) {
            Ok(_) => refused,
            Err(_) => MoveRefused { balance: None, currency: None, ..refused },
        }
    }

    /// A wallet of the owner. A wallet of another owner is refused like a wallet that does not exist.
    fn find_wallet(&self, id: WalletId, owner: OwnerFilter) -> Result<&StoredWallet, MoveRefused> {
        self.balances.wallet(id, owner).ok_or(refusal_of(MoveRefusalReason::WalletNotFound, id))
    }
}

/// A refusal that concerns a wallet and does not show its balance.
fn refusal_of(reason: MoveRefusalReason, wallet: WalletId) -> MoveRefused {
    MoveRefused { reason, wallet_id: Some(wallet), balance: None, currency: None }
}

/// The amount in the smallest unit of the currency of a wallet.
fn units_of(amount: OperationAmount, wallet: WalletId, currency: Currency) -> Result<i64, MoveRefused> {
    amount
        .units_of(currency)
        .map_err(|_| MoveRefused { currency: Some(currency), ..refusal_of(MoveRefusalReason::TooManyDecimals, wallet) })
}

/// Whether the movement has the kind, the wallets and the amount of these terms.
fn has_terms(movement: &Movement, terms: MoveTerms) -> bool {
    // The amount and the currency that the wallet `id` receives or pays in the movement.
    let moved = |id: WalletId, is_received: bool| {
        movement.entries.iter().find_map(|entry| match entry.account {
            Account::Wallet { id: wallet, .. } if wallet == id && entry.amount.is_positive() == is_received => {
                Some((entry.amount.abs(), entry.currency))
            }
            Account::Wallet { .. } | Account::Outside => None,
        })
    };
    let is_amount = |moved: Option<(i64, Currency)>, amount: OperationAmount| {
        moved.is_some_and(|(units, currency)| amount.units_of(currency) == Ok(units))
    };
    match (movement.kind, terms) {
        (MovementKind::Deposit, MoveTerms::Operation { operation_type: OperationType::Deposit, wallet, amount }) => {
            is_amount(moved(wallet, true), amount)
        }
        (
            MovementKind::Withdrawal,
            MoveTerms::Operation { operation_type: OperationType::Withdraw, wallet, amount },
        ) => is_amount(moved(wallet, false), amount),
        (MovementKind::Transfer, MoveTerms::Transfer { from, to, amount }) => {
            is_amount(moved(from, false), amount) && is_amount(moved(to, true), amount)
        }
        (
            MovementKind::Deposit | MovementKind::Withdrawal | MovementKind::Transfer | MovementKind::Order,
            MoveTerms::Operation { .. } | MoveTerms::Transfer { .. },
        ) => false,
    }
}

#[cfg(test)]
mod tests;
