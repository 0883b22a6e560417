//! Wire types of the limit over all orders.
//!
//! An operator sends a [`LimitPayload`] to create-order, which sends a [`SetLimitCommand`] to db-proxy. Both respond with an
//! [`OrderLimit`].

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

use super::{
    FieldError, FieldErrors,
    users::{NewName, UserName},
};
use crate::{
    money::{DecimalText, Sats},
    time::Timestamp,
};

/// Maximum number of changes in an [`OrderLimit`].
pub const MAX_LIMIT_CHANGES: u32 = 20;

/// The origin of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub enum LimitSource {
    /// The setting `BTC_LIMIT`: no operator has set the limit yet.
    Setting,
    /// An operator, who has set the limit. `BTC_LIMIT` has no effect.
    Operator,
}

/// The limit over all orders and open quotes, its remaining part, and its newest changes.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct OrderLimit {
    /// The maximum bitcoin amount of all orders and open quotes together.
    pub limit: Sats,
    pub source: LimitSource,
    /// `BTC_LIMIT` of the db-proxy that answered.
    pub setting: Sats,
    /// The bitcoin amount of all orders. More than the limit if the limit was lowered below it.
    pub bitcoin_amount: Sats,
    /// The bitcoin amount that open quotes reserve.
    pub reserved: Sats,
    /// The remaining limit.
    pub remaining: Sats,
    /// The newest changes by operators, newest first, at most 20.
    pub changes: Vec<LimitChange>,
}

/// A change of the limit by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct LimitChange {
    pub changed_at: Timestamp,
    /// The name that the operator gave.
    pub changed_by: UserName,
    pub old_limit: Sats,
    pub new_limit: Sats,
}

/// The remaining part of a limit. `ordered` is the sum of all orders, and `reserved` is the sum that open quotes
/// reserve. Zero if both together exceed the limit.
pub fn remaining_of_limit(limit: Sats, ordered: Sats, reserved: Sats) -> Sats {
    limit.saturating_sub(ordered).saturating_sub(reserved)
}

/// A new limit as an operator sends it. No field is validated yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields, rename = "NewLimit")]
pub struct LimitPayload {
    /// An amount of bitcoin from 0 to 21000000, with at most 8 decimals. 0 refuses every order without an open quote.
    #[serde(default)]
    pub limit: Option<DecimalText>,
    /// The name of the operator: 1 to 200 printable characters. Recorded with the change.
    #[serde(default)]
    pub changed_by: Option<String>,
}

/// A request of create-order to db-proxy to set the limit.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct SetLimitCommand {
    pub limit: Sats,
    pub changed_by: UserName,
}

impl SetLimitCommand {
    /// Validates a payload, or reports every invalid field.
    pub fn from_payload(payload: &LimitPayload) -> Result<Self, Vec<FieldError>> {
        let mut errors = FieldErrors::default();
        let limit = errors.required("limit", payload.limit.as_ref().map(DecimalText::as_str));
        let changed_by = errors.required("changed_by", payload.changed_by.as_deref());
        let command = limit.zip(changed_by).map(|(limit, NewName(changed_by))| Self { limit, changed_by });
        errors.into_result(command)
    }
}

#[cfg(test)]
mod tests;
