//! Conversions between the wire types and the types of this module.

use common::{
    api::{
        FieldError,
        orders::OwnerFilter,
        wallets::{
            MAX_MOVES_PER_REQUEST, MAX_WALLET_LOOKUP, MoveCommand, MoveOutcome, Operation, OperationCommand, Transfer,
            TransferCommand, Wallet,
        },
    },
    config::Caller,
    ids::WalletId,
    money::Money,
    time::Timestamp,
};

use super::{
    command::{Decision, MoveMoneyCommand, MoveTerms},
    records::{Account, Entry, Movement, MovementKind, StoredWallet},
};
use crate::client_key::{ClientKey, check_client};

/// The command for a request. `received_at` is the time of its arrival by the clock of the database.
pub fn move_money_command(
    command: MoveCommand,
    received_at: Timestamp,
    written_by: Caller,
) -> Result<MoveMoneyCommand, FieldError> {
    let MoveCommand { client, key, requested_at, owner, operation, transfer, traceparent: _ } = command;
    let user = match owner {
        OwnerFilter::User(user) => Some(user),
        OwnerFilter::Anonymous | OwnerFilter::Everybody => None,
    };
    check_client(&client, user)?;
    let terms = match (operation, transfer) {
        (Some(OperationCommand { wallet_id, operation_type, amount }), None) => {
            MoveTerms::Operation { operation_type, wallet: wallet_id, amount }
        }
        (None, Some(TransferCommand { from, to, amount })) => MoveTerms::Transfer { from, to, amount },
        (None, None) | (Some(_), Some(_)) => {
            return Err(FieldError::new("transfer", "must be present if operation is absent, and absent otherwise"));
        }
    };
    // The clock of the sender can be ahead.
    let requested_at = requested_at.map_or(received_at, |requested_at| requested_at.min(received_at));
    let key = ClientKey { client, key };
    Ok(MoveMoneyCommand { key, owner, terms, requested_at, written_by, attempted_ids: Vec::new() })
}

/// Checks the number of movements in a request.
pub fn check_group_size(size: usize) -> Result<(), FieldError> {
    if (1..=MAX_MOVES_PER_REQUEST).contains(&size) {
        return Ok(());
    }
    Err(FieldError::new("movements", format!("must contain 1 to {MAX_MOVES_PER_REQUEST} elements")))
}

/// Checks the number of ids in a request.
pub fn check_lookup_size(size: usize) -> Result<(), FieldError> {
    if size <= MAX_WALLET_LOOKUP {
        return Ok(());
    }
    Err(FieldError::new("ids", format!("must contain at most {MAX_WALLET_LOOKUP} elements")))
}

impl From<StoredWallet> for Wallet {
    fn from(wallet: StoredWallet) -> Self {
        let StoredWallet { id, currency, user_id, balance, created_at, .. } = wallet;
        Self { id, currency, balance, user_id, created_at }
    }
}

/// A movement without the kind or the entries that the request requires. The cause is a defect of the policy or of the
/// stored rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnexpectedMovement;

/// The outcome of a command. Stored movements and the owners of wallets never change, so a replay for the same owner has the same
/// outcome, except for `replayed`.
pub fn outcome_of(decision: &Decision) -> Result<MoveOutcome, UnexpectedMovement> {
    let none = MoveOutcome { operation: None, transfer: None, refused: None, replayed: false };
    match decision {
        Decision::Refused(refused) => Ok(MoveOutcome { refused: Some(*refused), ..none }),
        Decision::Moved { movement, replayed, shows_receiver } => {
            let outcome = MoveOutcome { replayed: *replayed, ..none };
            match movement.kind {
                MovementKind::Deposit | MovementKind::Withdrawal => {
                    Ok(MoveOutcome { operation: Some(operation_of(movement)?), ..outcome })
                }
                MovementKind::Transfer => {
                    let transfer = transfer_of(movement, *shows_receiver)?;
                    Ok(MoveOutcome { transfer: Some(transfer), ..outcome })
                }
                MovementKind::Order => Err(UnexpectedMovement),
            }
        }
    }
}

fn operation_of(movement: &Movement) -> Result<Operation, UnexpectedMovement> {
    let line = WalletLine::all_of(movement).next().ok_or(UnexpectedMovement)?;
    Ok(Operation {
        id: movement.id,
        wallet_id: line.wallet,
        operation_type: movement.kind.entry_type(line.entry.amount),
        amount: line.amount()?,
        balance: line.balance,
        created_at: movement.created_at,
    })
}

fn transfer_of(movement: &Movement, shows_receiver: bool) -> Result<Transfer, UnexpectedMovement> {
    let mut lines = WalletLine::all_of(movement);
    let (Some(from), Some(to)) = (lines.next(), lines.next()) else { return Err(UnexpectedMovement) };
    Ok(Transfer {
        id: movement.id,
        from: from.wallet,
        to: to.wallet,
        currency: from.entry.currency,
        amount: from.amount()?,
        from_balance: from.balance,
        to_balance: shows_receiver.then_some(to.balance),
        created_at: movement.created_at,
    })
}

/// An entry on a wallet.
struct WalletLine<'m> {
    entry: &'m Entry,
    wallet: WalletId,
    /// The balance after the entry.
    balance: Money,
}

impl<'m> WalletLine<'m> {
    /// The entries on wallets, in the order of the movement.
    fn all_of(movement: &'m Movement) -> impl Iterator<Item = Self> {
        movement.entries.iter().filter_map(|entry| match entry.account {
            Account::Wallet { id, balance, .. } => Some(Self { entry, wallet: id, balance }),
            Account::Outside => None,
        })
    }

    /// The amount without its sign.
    fn amount(&self) -> Result<Money, UnexpectedMovement> {
        Money::new(self.entry.currency, self.entry.amount.abs()).map_err(|_| UnexpectedMovement)
    }
}

#[cfg(test)]
mod tests;
