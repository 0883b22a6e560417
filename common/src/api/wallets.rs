//! Wire types of wallets.
//!
//! The service `wallets` validates requests of customers ([`OperationPayload`], [`TransferPayload`]) and converts each
//! request to a [`MoveCommand`]. It sends several commands to db-proxy in one HTTP request. db-proxy returns one
//! [`MoveOutcome`] per command. [`VerificationPage`] is the result of a check of the journal.

mod listing;
mod payloads;
mod verification;

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

pub use self::{
    listing::{
        FoundWallets, LinkedOperationPage, LinkedWalletPage, OperationCursor, OperationPage, WalletCursor,
        WalletLookup, WalletPage, page_query,
    },
    payloads::{OperationPayload, TransferPayload, WalletPayload},
    verification::{CheckedRows, VerificationCursor, VerificationPage, Violation, ViolationKind},
};
use crate::{
    api::orders::OwnerFilter,
    ids::{IdempotencyKey, MovementId, UserId, WalletId},
    money::{Currency, Money, OperationAmount},
    time::Timestamp,
};

/// Maximum number of wallets, or of operations, on a page.
pub const MAX_WALLET_PAGE: u32 = 1000;
/// Maximum number of wallets that one request to db-proxy may look up.
pub const MAX_WALLET_LOOKUP: usize = 256;
/// Maximum number of operations and transfers in one request to db-proxy.
pub const MAX_MOVES_PER_REQUEST: usize = 256;
/// Maximum number of wallets, entries or movements that one page of a verification checks. A page with movements can
/// also check the same number of orders.
pub const MAX_VERIFIED_ROWS: u32 = 10_000;
/// If the owner has no wallet with the requested id, db-proxy responds with a 404 whose `errors` contain this `field`.
/// A 404 without this field means that db-proxy does not have the endpoint.
pub const WALLET_ID_FIELD: &str = "id";

/// An account in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Wallet {
    pub id: WalletId,
    /// A fiat currency, or `BTC`.
    pub currency: Currency,
    /// Never negative.
    pub balance: Money,
    /// The user who owns the wallet; `null` if it was created without an API key.
    #[serde(default)]
    pub user_id: Option<UserId>,
    pub created_at: Timestamp,
}

/// The kinds of operations that a customer may request for one wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationType {
    /// Money enters the wallet from outside.
    Deposit,
    /// Money leaves the wallet to the outside.
    Withdraw,
}

/// How a movement changed one wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryType {
    Deposit,
    Withdraw,
    /// Money from another wallet.
    TransferIn,
    /// Money to another wallet.
    TransferOut,
    /// Money that an order spent.
    OrderOut,
    /// Bitcoin that an order bought.
    OrderIn,
}

impl EntryType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "DEPOSIT",
            Self::Withdraw => "WITHDRAW",
            Self::TransferIn => "TRANSFER_IN",
            Self::TransferOut => "TRANSFER_OUT",
            Self::OrderOut => "ORDER_OUT",
            Self::OrderIn => "ORDER_IN",
        }
    }
}

/// A movement of money into or out of one wallet. Operations are immutable.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Operation {
    /// The id of the movement. The two sides of a transfer have the same id.
    pub id: MovementId,
    pub wallet_id: WalletId,
    pub operation_type: EntryType,
    /// Greater than zero; the type states the direction.
    pub amount: Money,
    /// The balance of the wallet after the operation.
    pub balance: Money,
    pub created_at: Timestamp,
}

/// Money that moved from one wallet to another. Transfers are immutable.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Transfer {
    pub id: MovementId,
    pub from: WalletId,
    pub to: WalletId,
    pub currency: Currency,
    pub amount: Money,
    /// The balance of `from` after the transfer.
    pub from_balance: Money,
    /// The balance of `to` after the transfer. Absent if `to` belongs to another owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub to_balance: Option<Money>,
    pub created_at: Timestamp,
}

/// The body of the request with which the service `wallets` creates a wallet at db-proxy.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CreateWalletCommand {
    /// The idempotency key. Clients without an API key share one set of idempotency keys, and each user has a separate
    /// set. If the client sent no idempotency key, the service `wallets` generates one. Its retries are therefore safe.
    pub key: IdempotencyKey,
    pub currency: Currency,
    /// The user who owns the wallet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub user_id: Option<UserId>,
}

/// A wallet as it was created.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CreatedWallet {
    pub wallet: Wallet,
    /// Whether an earlier request with the same key created the wallet.
    pub replayed: bool,
}

/// One movement that the service `wallets` sends to db-proxy. Exactly one of `operation` and `transfer` is present.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MoveCommand {
    /// The client that the idempotency key belongs to: `user:` and the id of the user, or `anonymous`.
    pub client: String,
    /// The idempotency key. The service `wallets` generates one if the client sent none, so that its own retries are safe.
    pub key: IdempotencyKey,
    /// When the service `wallets` handled the request, or slightly earlier, by the clock of the database. db-proxy uses
    /// this time to detect a delayed duplicate of a refused request. A time after the receipt of the command counts as
    /// the time of the receipt.
    #[serde(default, rename = "asked_at", skip_serializing_if = "Option::is_none")]
    #[oai(rename = "asked_at", skip_serializing_if_is_none)]
    pub requested_at: Option<Timestamp>,
    /// The owner of the wallet of `operation`, or of the paying wallet of `transfer`. The receiving wallet of a transfer
    /// may belong to anyone.
    pub owner: OwnerFilter,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub operation: Option<OperationCommand>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub transfer: Option<TransferCommand>,
    /// The trace context of the request, in the form of the header `traceparent`. Absent if the trace is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub traceparent: Option<String>,
}

/// Deposits to or withdraws from one wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OperationCommand {
    pub wallet_id: WalletId,
    pub operation_type: OperationType,
    pub amount: OperationAmount,
}

/// Moves money between two wallets of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct TransferCommand {
    /// A wallet of the owner.
    pub from: WalletId,
    /// Any wallet of the same currency.
    pub to: WalletId,
    pub amount: OperationAmount,
}

/// A batch of movements. They are decided in this sequence. The refusal of one movement does not affect the others.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MoveCommands {
    #[oai(validator(min_items = 1, max_items = 256))]
    pub movements: Vec<MoveCommand>,
}

/// The outcome of a request to move money. Exactly one of `operation`, `transfer` and `refused` is present.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MoveOutcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub operation: Option<Operation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub transfer: Option<Transfer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub refused: Option<MoveRefused>,
    /// Whether an earlier request with the same key moved the money.
    #[serde(default)]
    pub replayed: bool,
}

/// The refusal of a request to move money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MoveRefused {
    pub reason: MoveRefusalReason,
    /// The wallet because of which the request is refused. Absent for `key_reused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub wallet_id: Option<WalletId>,
    /// The balance of the wallet `wallet_id`. Present if the balance is the reason and the wallet belongs to the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub balance: Option<Money>,
    /// The currency of the wallet `wallet_id`. Present if the wallet belongs to the owner and the reason is the
    /// currency, the decimals or the balance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub currency: Option<Currency>,
}

/// Why no money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum MoveRefusalReason {
    /// The key was used for a different operation or transfer.
    KeyReused,
    /// The owner has no wallet with this id, or the wallet that would receive a transfer does not exist.
    WalletNotFound,
    /// `from` and `to` are the same wallet.
    SameWallet,
    /// The wallets of the transfer have different currencies. `currency` is the currency of the paying wallet.
    CurrencyMismatch,
    /// The amount has more decimals than the currency of the wallet.
    TooManyDecimals,
    /// The balance of the wallet is less than the amount.
    InsufficientFunds,
    /// The balance would become too high.
    BalanceOutOfRange,
}

/// The outcomes of a batch of movements, in the order of the commands.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct MoveOutcomes {
    pub outcomes: Vec<MoveOutcome>,
    /// The time of the database after the commands were decided. The service `wallets` derives `asked_at` of later
    /// commands from this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub decided_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests;
