//! Orders that are refused because of a wallet.

use common::{
    api::{
        Code, FieldError, Problem,
        orders::{OrderWallets, Refused},
    },
    money::{Currency, Money},
};

/// Why an order is refused because of a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletReason {
    /// 422: the client has no wallet with this id.
    NotFound,
    /// 422: the wallet has another currency.
    Currency,
    /// 409: the wallet has not enough money.
    InsufficientFunds,
    /// 409: the wallet would have too much money.
    BalanceOutOfRange,
}

/// The refusal of an order because of one of its wallets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is refused because of the wallet in {field}")]
pub struct WalletRefusal {
    reason: WalletReason,
    /// The field that names the wallet.
    field: &'static str,
    currency: Option<Currency>,
    balance: Option<Money>,
}

impl WalletRefusal {
    /// If `refused` names none of the order's `wallets`, the error names the field of the paying wallet.
    pub fn new(reason: WalletReason, refused: &Refused, wallets: Option<OrderWallets>) -> Self {
        let &Refused { wallet_id, wallet_currency: currency, balance, .. } = refused;
        let field = wallets.zip(wallet_id).map_or(OrderWallets::PAYING_FIELD, |(wallets, id)| wallets.field_of(id));
        Self { reason, field, currency, balance }
    }

    fn shown_balance(&self) -> Option<String> {
        self.balance.zip(self.currency).map(|(balance, currency)| format!("{balance} {currency}"))
    }
}

impl From<WalletRefusal> for Problem {
    fn from(refusal: WalletRefusal) -> Self {
        let WalletRefusal { reason, field, currency, balance } = refusal;
        let conflict = |code, detail| Self { balance: balance.map(Box::new), ..Self::new(code, detail) };
        match reason {
            WalletReason::NotFound => {
                Self::validation(vec![FieldError::new(field, "is no wallet of yours: there is none with this id")])
            }
            WalletReason::Currency => {
                let required = if field == OrderWallets::CREDITED_FIELD { "BTC" } else { "the currency of the order" };
                let actual = currency.map(|currency| format!(", and not {currency}")).unwrap_or_default();
                Self::validation(vec![FieldError::new(field, format!("must be a wallet in {required}{actual}"))])
            }
            WalletReason::InsufficientFunds => {
                let detail = match refusal.shown_balance() {
                    Some(shown) => {
                        format!("The wallet has {shown}, which is less than the amount. No order was placed.")
                    }
                    None => "The wallet has less money than the amount. No order was placed.".to_owned(),
                };
                conflict(Code::InsufficientFunds, detail)
            }
            WalletReason::BalanceOutOfRange => {
                let has = refusal.shown_balance().map(|shown| format!(" has {shown}, and")).unwrap_or_default();
                let detail = format!("The wallet{has} would exceed the highest balance. No order was placed.");
                conflict(Code::BalanceOutOfRange, detail)
            }
        }
    }
}

#[cfg(test)]
mod tests;
