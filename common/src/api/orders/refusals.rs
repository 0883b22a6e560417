//! Refusals of orders and quotes.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::OrderOrigin;
use crate::{
    ids::WalletId,
    money::{Currency, Money, Sats},
};

/// Why a request for an order or a quote was refused.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Refused {
    pub reason: RefusalReason,
    /// The remaining limit. If the quote exceeds only a cap on quotes, the amount that a quote may still reserve. Present for
    /// `limit_exceeded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub remaining: Option<Sats>,
    /// The origin of the orders in the database. Present if the order was refused because its price has a different origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub database_origin: Option<OrderOrigin>,
    /// The wallet that is the reason. It is one of those that the request names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub wallet_id: Option<WalletId>,
    /// The currency of that wallet. Present if the currency or the balance is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub wallet_currency: Option<Currency>,
    /// The balance of that wallet. Present if it is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub balance: Option<Money>,
}

impl Refused {
    /// A refusal that needs no further details.
    pub fn because(reason: RefusalReason) -> Self {
        Self { reason, remaining: None, database_origin: None, wallet_id: None, wallet_currency: None, balance: None }
    }
}

/// Why a request for an order or a quote was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum RefusalReason {
    /// The order or the quote exceeds the remaining limit, or the quote exceeds a cap on quotes.
    LimitExceeded,
    /// The key was used for a different order.
    KeyReused,
    /// No price was available, the price expired before the order was decided, or the price has a different origin than the
    /// orders in the database.
    PriceUnavailable,
    /// The owner has no quote with this id.
    QuoteUnknown,
    /// Another order took the quote.
    QuoteTaken,
    /// The quote has expired.
    QuoteExpired,
    /// The owner of the order has no wallet with this id.
    WalletNotFound,
    /// The paying wallet does not have the currency of the order, or the receiving wallet is not a bitcoin wallet.
    WalletCurrency,
    /// The balance of the wallet is less than the amount of the order.
    InsufficientFunds,
    /// The balance of the wallet would become too high.
    BalanceOutOfRange,
}
