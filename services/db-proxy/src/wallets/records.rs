//! The rows of wallets and their journal that the policy reads and changes.

use std::{collections::HashMap, time::Duration};

use common::{
    api::wallets::{EntryType, MoveRefusalReason, MoveRefused},
    config::Caller,
    ids::{MovementId, UserId, WalletId},
    money::{Currency, Money},
    time::{MAX_CLOCK_SKEW, Timestamp},
};

use crate::{
    client_key::ClientKey,
    database::{DatabaseError, rows::decode},
};

/// A row of the table `wallets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredWallet {
    pub id: WalletId,
    pub currency: Currency,
    pub user_id: Option<UserId>,
    pub balance: Money,
    /// The number of entries. It is also the number of the newest entry.
    pub entries: i64,
    pub created_at: Timestamp,
    /// The time of the newest entry, or of the creation.
    pub last_entry_at: Timestamp,
    /// The time of the newest recorded refusal of an operation on this wallet, of a transfer from this wallet, or of an
    /// order that this wallet was to pay. Before the first such refusal, the time of the creation.
    pub last_refused_at: Timestamp,
}

impl StoredWallet {
    /// The wallet as it was created: without movements and with balance zero.
    pub fn at_creation(self) -> Result<Self, DatabaseError> {
        let balance = decode("balance", Money::new(self.currency, 0))?;
        let created_at = self.created_at;
        Ok(Self { balance, entries: 0, last_entry_at: created_at, last_refused_at: created_at, ..self })
    }
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovementKind {
    Deposit,
    Withdrawal,
    Transfer,
    /// An order that a wallet paid.
    Order,
}

impl MovementKind {
    const ALL: [Self; 4] = [Self::Deposit, Self::Withdrawal, Self::Transfer, Self::Order];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Transfer => "transfer",
            Self::Order => "order",
        }
    }

    /// The type of an entry with this amount on a wallet, in a movement of this kind.
    pub fn entry_type(self, amount: i64) -> EntryType {
        match (self, amount > 0) {
            (Self::Deposit, _) => EntryType::Deposit,
            (Self::Withdrawal, _) => EntryType::Withdraw,
            (Self::Transfer, true) => EntryType::TransferIn,
            (Self::Transfer, false) => EntryType::TransferOut,
            (Self::Order, true) => EntryType::OrderIn,
            (Self::Order, false) => EntryType::OrderOut,
        }
    }

    /// Whether the idempotency key of the movement is in the table `wallet_keys`. The key of an order is in
    /// `idempotency_keys`.
    pub fn has_key(self) -> bool {
        match self {
            Self::Deposit | Self::Withdrawal | Self::Transfer => true,
            Self::Order => false,
        }
    }

    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The account on which an entry is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The account for money outside Buydesk in one currency. It has no stored balance.
    Outside,
    Wallet {
        id: WalletId,
        /// The position of the entry in the wallet: 1, 2, 3, … without a gap.
        number: i64,
        /// The balance after the entry.
        balance: Money,
    },
}

/// A line of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub account: Account,
    pub currency: Currency,
    /// In the smallest unit of the currency. Positive if the account receives money.
    pub amount: i64,
}

/// A movement with its entries, which add up to zero in each currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    pub id: MovementId,
    pub kind: MovementKind,
    pub created_at: Timestamp,
    /// In the order of the column `line`.
    pub entries: Vec<Entry>,
}

/// A movement to insert, with its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMovement {
    pub movement: Movement,
    pub key: ClientKey,
    /// The service that sent the request to db-proxy.
    pub written_by: Caller,
}

/// Identifies a refused request: its client, its idempotency key and its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusalKey {
    pub key: ClientKey,
    /// The kind, the amount and the wallets of the request, as text.
    pub request: String,
}

/// Why a balance did not permit a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceReason {
    InsufficientFunds,
    BalanceOutOfRange,
}

impl BalanceReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient_funds",
            Self::BalanceOutOfRange => "balance_out_of_range",
        }
    }

    pub fn from_text(text: &str) -> Option<Self> {
        [Self::InsufficientFunds, Self::BalanceOutOfRange].into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A refusal because of a balance. It is recorded for some minutes, like a refusal of an order.
///
/// After a client received a refusal, an earlier copy of its request must not move money. Such a copy can be in the
/// queue of another db-proxy. A copy from before the refusal therefore receives the same refusal. A later request is
/// decided anew. Other refusals are not recorded, because they do not depend on a balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedRefusal {
    pub reason: BalanceReason,
    /// The wallet whose balance does not permit the movement.
    pub wallet: WalletId,
    pub currency: Currency,
    pub balance: Money,
    pub refused_at: Timestamp,
}

/// How long a refusal applies. Must be longer than a request can wait in a queue.
pub const REFUSAL_VALIDITY: Duration = Duration::from_secs(300);

impl RecordedRefusal {
    /// Whether a request that was made at `requested_at` receives this refusal at `now`. A refusal dated more than
    /// [`MAX_CLOCK_SKEW`] after `now` comes from a clock that was ahead, and does not apply.
    pub fn applies_to(&self, requested_at: Timestamp, now: Timestamp) -> bool {
        requested_at <= self.refused_at
            && now.since(self.refused_at) <= REFUSAL_VALIDITY
            && !self.refused_at.is_beyond_skew(now)
    }

    pub fn refused(&self) -> MoveRefused {
        let reason = match self.reason {
            BalanceReason::InsufficientFunds => MoveRefusalReason::InsufficientFunds,
            BalanceReason::BalanceOutOfRange => MoveRefusalReason::BalanceOutOfRange,
        };
        MoveRefused { reason, wallet_id: Some(self.wallet), balance: Some(self.balance), currency: Some(self.currency) }
    }
}

/// The wallets of a batch, and the refusals that are recorded for its requests.
#[derive(Debug, Clone, Default)]
pub struct LockedWallets {
    /// The locked wallets. Unknown ids are absent.
    pub wallets: HashMap<WalletId, StoredWallet>,
    pub refusals: HashMap<RefusalKey, RecordedRefusal>,
    /// The time of the database when the wallets were locked. `None` if no wallet was locked or the database has no
    /// clock.
    pub locked_at: Option<Timestamp>,
}

impl LockedWallets {
    /// The time at which the batch is decided: the later of `estimate` and [`Self::locked_at`], but at most
    /// [`MAX_CLOCK_SKEW`] after `estimate`. `estimate` is the time of the database as this process estimates it.
    ///
    /// The estimate can be some milliseconds early, and the estimates of several processes differ. With the estimate
    /// alone, a refusal could be dated before the refused request. The refusal would then not apply to a delayed
    /// duplicate of the request.
    pub fn decided_at(&self, estimate: Timestamp) -> Timestamp {
        let latest = estimate.plus(MAX_CLOCK_SKEW);
        self.locked_at.map_or(estimate, |locked_at| locked_at.max(estimate).min(latest))
    }
}

/// The state of the database when a batch is decided.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub locked: LockedWallets,
    /// The movements that have the keys of the batch.
    pub movements: HashMap<ClientKey, Movement>,
    /// The time of the decision. It is read after the wallets were locked.
    pub now: Timestamp,
}

/// The rows that a batch changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// Movements to insert, with their entries and keys.
    pub movements: Vec<NewMovement>,
    /// The new values of the changed wallets, in the order of the ids.
    pub wallets: Vec<StoredWallet>,
    /// Refusals to insert or replace. Each key occurs once.
    pub refusals: Vec<(RefusalKey, RecordedRefusal)>,
}
