//! The wallets of an order that is paid from a wallet.

use crate::{api::FieldError, ids::WalletId, text::TextType};

/// The wallets of an order that a wallet pays. Two requests with one idempotency key are the same request only if their wallets are
/// equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderWallets {
    /// The wallet that pays the amount. It must have the currency of the order.
    pub paying: WalletId,
    /// The wallet that receives the bitcoin. `None` if the bitcoin is settled outside of the wallets.
    pub credited: Option<WalletId>,
}

impl OrderWallets {
    pub const PAYING_FIELD: &'static str = "wallet_id";
    pub const CREDITED_FIELD: &'static str = "credit_wallet_id";

    /// Checks that the two wallets of an order differ, and that a paying wallet is named if a credited wallet is named.
    /// Returns `None` if the order has no wallet.
    pub fn from_ids(paying: Option<WalletId>, credited: Option<WalletId>) -> Result<Option<Self>, FieldError> {
        match (paying, credited) {
            (Some(paying), credited) if credited != Some(paying) => Ok(Some(Self { paying, credited })),
            (Some(_), _) => Err(FieldError::new(Self::CREDITED_FIELD, "must be another wallet than wallet_id")),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Self::missing_payer()),
        }
    }

    fn missing_payer() -> FieldError {
        FieldError::new(Self::PAYING_FIELD, "is required, because credit_wallet_id is present")
    }

    /// Validates the ids of a request. The error lists the invalid fields.
    pub fn validate(paying: Option<&str>, credited: Option<&str>) -> Result<Option<Self>, Vec<FieldError>> {
        let parse = |field, text: Option<&str>| {
            let id = text.map(|text| WalletId::parse_text(text).map_err(|reason| FieldError::new(field, reason)));
            id.transpose()
        };
        match (parse(Self::PAYING_FIELD, paying), parse(Self::CREDITED_FIELD, credited)) {
            (Ok(paying), Ok(credited)) => Self::from_ids(paying, credited).map_err(|error| vec![error]),
            (Ok(None), Err(credited)) => Err(vec![Self::missing_payer(), credited]),
            (paying, credited) => Err([paying.err(), credited.err()].into_iter().flatten().collect()),
        }
    }

    /// The name of the field that contains the id of `wallet`.
    pub fn field_of(self, wallet: WalletId) -> &'static str {
        if self.credited == Some(wallet) { Self::CREDITED_FIELD } else { Self::PAYING_FIELD }
    }
}
