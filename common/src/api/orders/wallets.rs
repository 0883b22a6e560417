//! The wallets of an order that is paid from an account.

use crate::{api::FieldError, ids::WalletId};

/// The wallets of an order that a wallet pays. Two requests with one idempotency key are the same request only if their wallets are
/// equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderWallets {
    /// The wallet that the amount is taken from. It has the currency of the order.
    pub paying: WalletId,
    /// The wallet that receives the bitcoin. `None` if the bitcoin is settled outside of the wallets.
    pub credited: Option<WalletId>,
}

impl OrderWallets {
    /// The field of the wallet that pays.
    pub const PAYING: &'static str = "wallet_id";
    /// The field of the wallet that receives the bitcoin.
    pub const CREDITED: &'static str = "credit_wallet_id";

    /// The wallets of an order that names these. `None` if it names none. Bitcoin is credited only if a wallet paid for it.
    pub fn of(paying: Option<WalletId>, credited: Option<WalletId>) -> Result<Option<Self>, FieldError> {
        match (paying, credited) {
            (Some(paying), credited) if credited != Some(paying) => Ok(Some(Self { paying, credited })),
            (Some(_), _) => Err(FieldError::new(Self::CREDITED, "must be another wallet than wallet_id")),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(FieldError::new(Self::PAYING, "is required, because credit_wallet_id is present")),
        }
    }

    /// Validates the ids of a request. The error lists every invalid field.
    pub fn validate(paying: Option<&str>, credited: Option<&str>) -> Result<Option<Self>, Vec<FieldError>> {
        let parse = |field, text: Option<&str>| {
            let id = text.map(|text| text.parse::<WalletId>().map_err(|error| FieldError::new(field, error)));
            id.transpose()
        };
        match (parse(Self::PAYING, paying), parse(Self::CREDITED, credited)) {
            (Ok(paying), Ok(credited)) => Self::of(paying, credited).map_err(|error| vec![error]),
            (paying, credited) => Err([paying.err(), credited.err()].into_iter().flatten().collect()),
        }
    }

    /// The field that names a wallet.
    pub fn field_of(self, wallet: WalletId) -> &'static str {
        if self.credited == Some(wallet) { Self::CREDITED } else { Self::PAYING }
    }
}
