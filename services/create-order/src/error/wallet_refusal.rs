//! Orders that are refused because of a wallet.

use common::{
    api::{
        Code, FieldError, Problem,
        orders::{OrderWallets, OrderedAmount, Refused, ValidatedOrder},
    },
    ids::WalletId,
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
    wallet_id: Option<WalletId>,
    currency: Option<Currency>,
    balance: Option<Money>,
    /// `None` if only the quote of the order names the currency and the amount.
    order: Option<ValidatedOrder>,
}

impl WalletRefusal {
    /// If `refused` names none of the order's `wallets`, the error names the field of the paying wallet.
    pub fn new(
        reason: WalletReason,
        refused: &Refused,
        wallets: Option<OrderWallets>,
        order: Option<ValidatedOrder>,
    ) -> Self {
        let &Refused { wallet_id, wallet_currency: currency, balance, .. } = refused;
        let field = wallets.zip(wallet_id).map_or(OrderWallets::PAYING_FIELD, |(wallets, id)| wallets.field_of(id));
        Self { reason, field, wallet_id, currency, balance, order }
    }

    /// The rule for the currency of the wallet, and the currency that the wallet has.
    fn wrong_currency(&self) -> String {
        let required = match self.order {
            _ if self.field == OrderWallets::CREDITED_FIELD => "BTC".to_owned(),
            Some(ValidatedOrder { currency, .. }) => format!("{currency}, the currency of the order"),
            None => "the currency of the order".to_owned(),
        };
        let rule = format!("must be a wallet in {required}");
        match self.wallet_id.zip(self.currency) {
            Some((id, actual)) => format!("{rule}, but wallet {id} is in {actual}"),
            None => rule,
        }
    }

    /// The amount of the order, if the client named the amount and not the bitcoin.
    fn shown_amount(&self) -> String {
        match self.order {
            Some(ValidatedOrder { currency, amount: OrderedAmount::Fiat(amount) }) => format!(", {amount} {currency}"),
            Some(ValidatedOrder { amount: OrderedAmount::Bitcoin(_), .. }) | None => String::new(),
        }
    }

    fn shown_balance(&self) -> Option<String> {
        self.balance.zip(self.currency).map(|(balance, currency)| format!("{balance} {currency}"))
    }
}

impl From<WalletRefusal> for Problem {
    fn from(refusal: WalletRefusal) -> Self {
        let WalletRefusal { reason, field, wallet_id, balance, .. } = refusal;
        let conflict = |code, detail| Self { balance: balance.map(Box::new), ..Self::new(code, detail) };
        match reason {
            WalletReason::NotFound => {
                let shown = wallet_id.map(|id| format!(", but there is none with the id {id}")).unwrap_or_default();
                Self::validation(vec![FieldError::new(field, format!("must be one of your wallets{shown}"))])
            }
            WalletReason::Currency => Self::validation(vec![FieldError::new(field, refusal.wrong_currency())]),
            WalletReason::InsufficientFunds => {
                let detail = match refusal.shown_balance() {
                    Some(shown) => {
                        let amount = refusal.shown_amount();
                        format!("The wallet has {shown}, which is less than the amount{amount}. No order was placed.")
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
