//! Requests of customers to the service `wallets`. No field is validated yet.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

use crate::money::DecimalText;

/// A new wallet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "NewWallet")]
pub struct WalletPayload {
    /// A fiat currency, or `BTC`, in upper or lower case. The wallet has money of this currency only.
    #[serde(default)]
    #[oai(validator(pattern = "^[A-Za-z]{3}$"))]
    pub currency: Option<String>,
}

/// A deposit or a withdrawal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "NewOperation")]
pub struct OperationPayload {
    /// `DEPOSIT` or `WITHDRAW`.
    #[serde(default)]
    #[oai(validator(pattern = "^(DEPOSIT|WITHDRAW)$"))]
    pub operation_type: Option<String>,
    /// Greater than 0 and less than 1000000000, with at most 4 decimals, or 8 for bitcoin.
    #[serde(default)]
    pub amount: Option<DecimalText>,
}

/// A transfer between two wallets of one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "NewTransfer")]
pub struct TransferPayload {
    /// The id of the wallet that pays. It must belong to the caller.
    #[serde(default)]
    pub from: Option<String>,
    /// The id of the wallet that receives the money. It may belong to anybody.
    #[serde(default)]
    pub to: Option<String>,
    /// Greater than 0 and less than 1000000000, with at most 4 decimals, or 8 for bitcoin.
    #[serde(default)]
    pub amount: Option<DecimalText>,
}
