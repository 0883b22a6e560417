//! The check of the journal, in pages of bounded size.

use std::{fmt, ops::AddAssign, str::FromStr};

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    api::cursor::{CursorError, parse_hex},
    ids::{MovementId, OrderId, WalletId},
};

/// The result of a check of some rows of the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct VerificationPage {
    /// How many rows this page checked. All pages together check the whole journal.
    pub checked: CheckedRows,
    /// Empty if the rows are correct.
    pub violations: Vec<Violation>,
    /// The cursor of the rows that are checked next; absent after the last rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<VerificationCursor>,
}

/// The number of rows that were checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct CheckedRows {
    pub wallets: u64,
    pub entries: u64,
    pub movements: u64,
    /// Orders that a wallet paid.
    #[serde(default)]
    #[oai(default)]
    pub paid_orders: u64,
}

impl AddAssign for CheckedRows {
    fn add_assign(&mut self, Self { wallets, entries, movements, paid_orders }: Self) {
        self.wallets += wallets;
        self.entries += entries;
        self.movements += movements;
        self.paid_orders += paid_orders;
    }
}

/// A row that contradicts the rules of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Violation {
    pub kind: ViolationKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub wallet_id: Option<WalletId>,
    /// The number of the entry within the wallet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub number: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub movement_id: Option<MovementId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub order_id: Option<OrderId>,
}

/// The rule that a row contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum ViolationKind {
    /// The balance of a wallet differs from the balance after its last entry.
    BalanceDiffers,
    /// The number of entries of a wallet differs from the number of its last entry.
    EntryCountDiffers,
    /// The numbers of the entries of a wallet have a gap.
    GapInNumbers,
    /// The balance after an entry is not the balance before it plus its amount.
    WrongBalanceAfter,
    /// An entry belongs to no wallet, or has another currency than its wallet.
    WrongWallet,
    /// An entry belongs to no movement.
    NoMovement,
    /// A movement has fewer than two entries.
    TooFewEntries,
    /// The entries of a movement in one currency do not add up to zero.
    NotBalanced,
    /// A movement pays for an order that does not exist, or changes other wallets or amounts than its order states.
    WrongOrder,
    /// An order that a wallet paid has no movement.
    MissingPayment,
}

/// The last row that a verification has checked. Wallets are checked first, then entries, then movements. Paid orders are checked with
/// the movements, because an order and its movement have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerificationCursor {
    Wallets(WalletId),
    Entries { wallet: WalletId, number: i64 },
    Movements(MovementId),
}

impl fmt::Display for VerificationCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallets(id) => write!(f, "w{}", id.0.simple()),
            Self::Entries { wallet, number } => write!(f, "e{}{number:x}", wallet.0.simple()),
            Self::Movements(id) => write!(f, "m{}", id.0.simple()),
        }
    }
}

/// The number of hexadecimal digits of an id.
const ID_LENGTH: usize = 32;

impl FromStr for VerificationCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (kind, rest) = text.split_at_checked(1).ok_or(CursorError)?;
        let (id, number) = rest.split_at_checked(ID_LENGTH).ok_or(CursorError)?;
        let id = Uuid::try_parse(id).map_err(|_| CursorError)?;
        let cursor = match kind {
            "w" => Self::Wallets(WalletId(id)),
            "e" => Self::Entries { wallet: WalletId(id), number: parse_hex(number).ok_or(CursorError)? },
            "m" => Self::Movements(MovementId(id)),
            _ => return Err(CursorError),
        };
        if cursor.to_string() == text { Ok(cursor) } else { Err(CursorError) }
    }
}

crate::text_type!(
    VerificationCursor,
    "cursor",
    "The opaque position in a verification.",
    "w0190a6e27c1b7c3a9d5e0123456789ab",
    pattern: r"^([wm][0-9a-f]{32}|e[0-9a-f]{32}(0|[1-9a-f][0-9a-f]{0,15}))$"
);
