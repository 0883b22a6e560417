//! The invariants of wallets that a run can violate, and their messages. `tests/README.md` explains each kind.

use std::fmt;

use common::{
    api::Code,
    ids::{MovementId, WalletId},
    money::{Currency, Money},
    time::Timestamp,
};

/// One violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalletViolation {
    /// A movement was acknowledged with 200 and is not stored.
    MovementMissing { key: String, id: String },
    /// An acknowledged movement was stored differently.
    MovementDiffers { key: String, field: String, acknowledged: String, stored: String },
    /// One key of a client has more than one movement.
    DuplicateMovement { key: String, first: MovementId, second: MovementId },
    /// A movement is stored that no client requested.
    MovementNotRequested { key: String, id: MovementId },
    /// A response stated that no money moved, and the movement is stored.
    DeniedButMoved { key: String, id: MovementId, code: Code },
    /// Two acknowledgements with the same key are not byte for byte the same.
    ReplayDiffers { key: String },
    /// Two responses with the same key acknowledged a new movement.
    MovedTwice { key: String },
    /// The reason given for a refusal was not true.
    FalseRefusal { key: String, code: Code, why: &'static str },
    /// A response that the API does not allow.
    UnexpectedResponse { key: String, status: u16, body: String },
    /// The last attempt with a key had no final outcome.
    Undecided { key: String },
    /// A wallet was created, and is not stored or was stored differently.
    WalletDiffers { wallet: WalletId },
    /// A client took money from a wallet of another owner, or deposited money there.
    NotTheOwner { key: String, id: MovementId, wallet: WalletId },
    /// The stored balance is not the sum of the entries.
    WrongBalance { wallet: WalletId, balance: i64, sum: i64 },
    /// The entry count in the row of the wallet differs from the number of its stored entries.
    WrongEntryCount { wallet: WalletId, stored: i64, entries: usize },
    /// A number of an entry is missing or used twice.
    NumberGap { wallet: WalletId, after: i64, next: i64 },
    /// The balance after an entry is not the sum of the entries up to it.
    WrongBalanceAfter { wallet: WalletId, number: i64, balance: i64, sum: i64 },
    /// An entry was not created later than the entry before it.
    TimeNotIncreasing { wallet: WalletId, number: i64 },
    /// The balance after an entry is negative.
    NegativeBalance { wallet: WalletId, number: i64, balance: i64 },
    /// An entry belongs to no stored movement or wallet, or has another currency than its wallet.
    OrphanedEntry { movement: MovementId },
    /// The entries of a movement do not add up to zero.
    NotBalanced { movement: MovementId, currency: Currency, sum: i64 },
    /// A movement has other entries than its kind requires.
    WrongEntries { movement: MovementId, kind: String },
    /// A client read a balance that the wallet did not have at that time.
    BalanceNeverHeld { wallet: WalletId, balance: Money, at: Timestamp },
    /// The operations of a wallet, as the API lists them, differ from its entries.
    StatementDiffers { wallet: WalletId, listed: usize, stored: usize },
    /// A paid order has no movement, its movement has other amounts or wallets, or a movement of an order has no order.
    OrderMovementDiffers { order: String },
    /// `buydesk wallet verify` did not run, or reported violations, or counted other rows than are stored.
    VerificationDiffers { reported: String, stored: String },
}

impl WalletViolation {
    /// The idempotency key that the violation concerns. The attempts with this key explain the violation.
    pub fn key(&self) -> Option<&String> {
        match self {
            Self::MovementMissing { key, .. }
            | Self::MovementDiffers { key, .. }
            | Self::DuplicateMovement { key, .. }
            | Self::MovementNotRequested { key, .. }
            | Self::DeniedButMoved { key, .. }
            | Self::ReplayDiffers { key }
            | Self::MovedTwice { key }
            | Self::FalseRefusal { key, .. }
            | Self::UnexpectedResponse { key, .. }
            | Self::NotTheOwner { key, .. }
            | Self::Undecided { key } => Some(key),
            _ => None,
        }
    }
}

impl fmt::Display for WalletViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MovementMissing { key, id } => {
                write!(f, "MISSING MOVEMENT: {key} was acknowledged with 200, and its movement {id} is not stored")
            }
            Self::MovementDiffers { key, field, acknowledged, stored } => {
                write!(f, "CHANGED MOVEMENT: {key}: {field} was acknowledged as {acknowledged}, and {stored} is stored")
            }
            Self::DuplicateMovement { key, first, second } => {
                write!(f, "DUPLICATE MOVEMENT: {key} has the movements {first} and {second}")
            }
            Self::MovementNotRequested { key, id } => {
                write!(f, "UNREQUESTED MOVEMENT: no client requested movement {id} with key {key:?}")
            }
            Self::DeniedButMoved { key, id, code } => {
                write!(f, "DENIED MOVEMENT: {key} was denied with {code}, and its movement {id} is stored")
            }
            Self::ReplayDiffers { key } => {
                write!(f, "CHANGED REPLAY: {key} was acknowledged with two different bodies")
            }
            Self::MovedTwice { key } => write!(f, "MOVED TWICE: {key} was acknowledged twice as a new movement"),
            Self::FalseRefusal { key, code, why } => {
                write!(f, "FALSE REFUSAL: {key} was refused with {code}, but {why}")
            }
            Self::UnexpectedResponse { key, status, body } => {
                write!(f, "UNEXPECTED RESPONSE: {key} was answered with {status}: {body}")
            }
            Self::Undecided { key } => write!(f, "UNDECIDED: {key} has no final outcome"),
            Self::WalletDiffers { wallet } => {
                write!(f, "CHANGED WALLET: wallet {wallet} was created, and is not stored or was stored differently")
            }
            Self::NotTheOwner { key, id, wallet } => {
                write!(
                    f,
                    "NOT THE OWNER: movement {id} of {key} changed wallet {wallet}, which belongs to somebody else"
                )
            }
            Self::WrongBalance { wallet, balance, sum } => {
                write!(f, "WRONG BALANCE: wallet {wallet} has {balance} units, and its entries sum to {sum}")
            }
            Self::WrongEntryCount { wallet, stored, entries } => {
                write!(f, "WRONG ENTRY COUNT: wallet {wallet} states {stored} entries, and has {entries}")
            }
            Self::NumberGap { wallet, after, next } => {
                write!(f, "NUMBER GAP: the entry after {after} of wallet {wallet} has the number {next}")
            }
            Self::WrongBalanceAfter { wallet, number, balance, sum } => {
                write!(
                    f,
                    "WRONG BALANCE AFTER: entry {number} of wallet {wallet} states {balance} units, and the sum is {sum}"
                )
            }
            Self::TimeNotIncreasing { wallet, number } => {
                write!(
                    f,
                    "TIME NOT INCREASING: entry {number} of wallet {wallet} is not later than the entry before it"
                )
            }
            Self::NegativeBalance { wallet, number, balance } => {
                write!(f, "NEGATIVE BALANCE: wallet {wallet} had {balance} units after entry {number}")
            }
            Self::OrphanedEntry { movement } => {
                write!(
                    f,
                    "ORPHANED ENTRY: movement {movement} or the wallet of its entry is not stored, or the wallet has another currency"
                )
            }
            Self::NotBalanced { movement, currency, sum } => {
                write!(f, "NOT BALANCED: the entries of movement {movement} in {currency} sum to {sum} units")
            }
            Self::WrongEntries { movement, kind } => {
                write!(f, "WRONG ENTRIES: movement {movement} does not have the entries of a movement of kind {kind}")
            }
            Self::BalanceNeverHeld { wallet, balance, at } => {
                write!(
                    f,
                    "WRONG READ: a client read {balance} from wallet {wallet} at {at}, but it was not the balance then"
                )
            }
            Self::StatementDiffers { wallet, listed, stored } => {
                write!(
                    f,
                    "WRONG STATEMENT: the {listed} listed operations of wallet {wallet} differ from its {stored} entries"
                )
            }
            Self::OrderMovementDiffers { order } => {
                write!(f, "WRONG PAYMENT: order {order} and its movement differ, or only one of the two is stored")
            }
            Self::VerificationDiffers { reported, stored } => {
                write!(f, "WRONG VERIFICATION: verify reported {reported}, and {stored} are stored")
            }
        }
    }
}
