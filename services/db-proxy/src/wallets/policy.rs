//! The decisions about movements of money, without I/O: idempotency, owners, currencies, and the range of balances.
//!
//! Commands are decided in the sequence of their arrival, each on the balances that the commands before it left. A refused command
//! does not affect the others.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use common::{
    api::{
        orders::OwnerFilter,
        wallets::{MoveRefusalReason, MoveRefused, OperationType},
    },
    ids::{MovementId, WalletId},
    money::{Currency, Money, MoneyError, OperationAmount},
    time::MAX_CLOCK_SKEW,
};

use super::{
    command::{Decision, MoveMoneyCommand, MoveTerms},
    records::{
        Account, BalanceReason, ChangeSet, Entry, Movement, MovementKind, NewMovement, RecordedRefusal, RefusalKey,
        Snapshot, StoredWallet,
    },
};
use crate::{group_commit::Decided, uuid_v7::new_uuid_at};

/// Minimum difference between the times of two entries of a wallet: the precision of stored times.
const TIME_STEP: Duration = Duration::from_micros(1);

/// Decides a batch. Records in each command the id that it assigns.
pub fn decide_batch(snapshot: Snapshot, commands: &mut [MoveMoneyCommand]) -> Decided<Decision, ChangeSet> {
    let mut state = DecisionState::new(snapshot, commands.len());
    let decisions = commands.iter_mut().map(|command| state.decide_command(command)).collect();
    Decided { decisions, changes: state.into_changes() }
}

/// The state while a batch is decided: the snapshot with the changes of earlier commands of the batch.
struct DecisionState {
    snapshot: Snapshot,
    movements: Vec<NewMovement>,
    changed_wallets: BTreeSet<WalletId>,
    refusals: HashMap<RefusalKey, RecordedRefusal>,
}

/// What a command adds to a wallet, in the smallest unit of its currency.
#[derive(Debug, Clone, Copy)]
struct Change {
    wallet: WalletId,
    amount: i64,
}

/// The changes of a command that is valid. The balances are not checked yet.
struct Plan {
    kind: MovementKind,
    currency: Currency,
    /// The wallets that change, in the order of the lines of the movement.
    changes: Vec<Change>,
    /// Whether every changed wallet is one of the owner. Only the wallet that receives a transfer may be another one.
    all_owned: bool,
}

impl DecisionState {
    fn new(snapshot: Snapshot, commands: usize) -> Self {
        Self {
            snapshot,
            movements: Vec::with_capacity(commands),
            changed_wallets: BTreeSet::new(),
            refusals: HashMap::new(),
        }
    }

    fn into_changes(self) -> Option<ChangeSet> {
        let Self { snapshot, movements, changed_wallets, refusals } = self;
        // A movement and a recorded refusal both change a wallet.
        if changed_wallets.is_empty() {
            return None;
        }
        let wallets = changed_wallets.iter().filter_map(|id| snapshot.wallets.get(id)).copied().collect();
        Some(ChangeSet { movements, wallets, refusals: refusals.into_iter().collect() })
    }

    fn decide_command(&mut self, command: &mut MoveMoneyCommand) -> Decision {
        // A request that is refused for its terms alone is refused for them again, whatever its key was used for.
        let plan = match self.plan(command.owner, command.terms) {
            Ok(plan) => plan,
            Err(refused) => return Decision::Refused(refused),
        };
        if let Some(stored) = self.snapshot.movements.get(&command.key) {
            if has_terms(stored, command.terms) {
                let replayed = !command.attempted_ids.contains(&stored.id);
                return Decision::Moved { movement: stored.clone(), replayed, shows_receiver: plan.all_owned };
            }
            // A different request is refused for the reason for which it was refused before, if it was.
            let reused =
                MoveRefused { reason: MoveRefusalReason::KeyReused, wallet_id: None, balance: None, currency: None };
            let refusal = self.applicable_refusal(command);
            return Decision::Refused(refusal.map_or(reused, |refusal| self.shown_refusal(command.owner, refusal)));
        }
        if let Some(refusal) = self.applicable_refusal(command) {
            return Decision::Refused(self.shown_refusal(command.owner, refusal));
        }
        match self.new_balances(&plan) {
            Ok(wallets) => {
                let movement = self.move_money(command, &plan, wallets);
                Decision::Moved { movement, replayed: false, shows_receiver: plan.all_owned }
            }
            Err(refusal) => self.record_refusal(command, refusal),
        }
    }

    /// The recorded refusal that a command receives, unless money moved for the request later.
    fn applicable_refusal(&self, command: &MoveMoneyCommand) -> Option<&RecordedRefusal> {
        // Usually there is none, and then no text is made for the look-up.
        if self.snapshot.refusals.is_empty() {
            return None;
        }
        let refusal = self.snapshot.refusals.get(&RefusalKey::of(command));
        refusal.filter(|refusal| refusal.applies_to(command.requested_at, self.snapshot.now))
    }

    /// Checks everything but the balances.
    fn plan(&self, owner: OwnerFilter, terms: MoveTerms) -> Result<Plan, MoveRefused> {
        match terms {
            MoveTerms::Operation { operation_type, wallet, amount } => {
                let StoredWallet { currency, .. } = self.find_wallet(wallet, owner)?;
                let amount = units_of(amount, wallet, *currency)?;
                let (kind, amount) = match operation_type {
                    OperationType::Deposit => (MovementKind::Deposit, amount),
                    OperationType::Withdraw => (MovementKind::Withdrawal, -amount),
                };
                Ok(Plan { kind, currency: *currency, changes: vec![Change { wallet, amount }], all_owned: true })
            }
            MoveTerms::Transfer { from, to, amount } => {
                let currency = self.find_wallet(from, owner)?.currency;
                // Everybody may pay into a wallet.
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
                Ok(Plan { kind: MovementKind::Transfer, currency, changes, all_owned })
            }
        }
    }

    /// A refusal as its owner sees it. It shows neither the balance nor the currency of a wallet of somebody else.
    fn shown_refusal(&self, owner: OwnerFilter, refusal: &RecordedRefusal) -> MoveRefused {
        let refused = refusal.refused();
        match self.find_wallet(refusal.wallet, owner) {
            Ok(_) => refused,
            Err(_) => MoveRefused { balance: None, currency: None, ..refused },
        }
    }

    /// A wallet of the owner. The wallet of somebody else is unknown, as one that does not exist.
    fn find_wallet(&self, id: WalletId, owner: OwnerFilter) -> Result<&StoredWallet, MoveRefused> {
        let wallet = self.snapshot.wallets.get(&id).filter(|wallet| owner.selects(wallet.user_id));
        wallet.ok_or(refusal_of(MoveRefusalReason::WalletNotFound, id))
    }

    /// The wallets with the balances after the changes, or the refusal because of the first balance that does not permit them.
    fn new_balances(&self, plan: &Plan) -> Result<Vec<StoredWallet>, RecordedRefusal> {
        let change = |change: &Change| {
            let wallet = self.snapshot.wallets.get(&change.wallet).expect("the plan contains only known wallets");
            // Both are below 10^18, so the sum fits into an i64.
            let balance = Money::new(plan.currency, wallet.balance.units() + change.amount);
            balance.map(|balance| StoredWallet { balance, entries: wallet.entries + 1, ..*wallet }).map_err(|error| {
                let reason = match error {
                    MoneyError::Negative => BalanceReason::InsufficientFunds,
                    MoneyError::TooLarge | MoneyError::Syntax => BalanceReason::BalanceOutOfRange,
                };
                let &StoredWallet { id, currency, balance, .. } = wallet;
                RecordedRefusal { reason, wallet: id, currency, balance, refused_at: self.snapshot.now }
            })
        };
        plan.changes.iter().map(change).collect()
    }

    /// Adds a movement to the batch. `wallets` are the changed wallets, in the order of the changes.
    fn move_money(&mut self, command: &mut MoveMoneyCommand, plan: &Plan, wallets: Vec<StoredWallet>) -> Movement {
        // Later than the previous entry of each wallet even if the clock went back, so that times and numbers have the same order.
        let previous = wallets.iter().map(|wallet| wallet.last_entry_at.plus(TIME_STEP)).max();
        let created_at = previous.map_or(self.snapshot.now, |previous| previous.max(self.snapshot.now));
        let mut entries: Vec<Entry> = Vec::with_capacity(2);
        for (change, wallet) in plan.changes.iter().zip(wallets) {
            let account = Account::Wallet { id: wallet.id, number: wallet.entries, balance: wallet.balance };
            entries.push(Entry { account, currency: plan.currency, amount: change.amount });
            self.changed_wallets.insert(wallet.id);
            self.snapshot.wallets.insert(wallet.id, StoredWallet { last_entry_at: created_at, ..wallet });
        }
        // A deposit comes from outside, and a withdrawal goes there.
        let rest: i64 = entries.iter().map(|entry| entry.amount).sum();
        if rest != 0 {
            entries.push(Entry { account: Account::Outside, currency: plan.currency, amount: -rest });
        }
        let movement = Movement { id: MovementId(new_uuid_at(created_at)), kind: plan.kind, created_at, entries };
        command.attempted_ids.push(movement.id);
        self.snapshot.movements.insert(command.key.clone(), movement.clone());
        let new = NewMovement { movement: movement.clone(), key: command.key.clone(), written_by: command.written_by };
        self.movements.push(new);
        movement
    }

    /// Refuses a command and records the refusal, which applies to every copy of the request that was made until now.
    fn record_refusal(&mut self, command: &MoveMoneyCommand, refusal: RecordedRefusal) -> Decision {
        let (primary, key) = (command.terms.primary_wallet(), RefusalKey::of(command));
        // A time later than `latest` is from a clock that was ahead, and the refusal from that time no longer applies.
        let latest = self.snapshot.now.plus(MAX_CLOCK_SKEW);
        if let Some(wallet) = self.snapshot.wallets.get_mut(&primary) {
            wallet.last_refused_at = wallet.last_refused_at.max(refusal.refused_at).min(latest);
            self.changed_wallets.insert(primary);
        }
        self.snapshot.refusals.insert(key.clone(), refusal);
        self.refusals.insert(key, refusal);
        Decision::Refused(self.shown_refusal(command.owner, &refusal))
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

/// Whether a request with these terms would move the same money.
fn has_terms(movement: &Movement, terms: MoveTerms) -> bool {
    // The amount of the first wallet that receives or pays in a movement.
    let moved = |id: WalletId, is_received: bool| {
        movement.entries.iter().find_map(|entry| match entry.account {
            Account::Wallet { id: wallet, .. } if wallet == id && (entry.amount > 0) == is_received => {
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
