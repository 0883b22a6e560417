//! The payment of an order from a wallet. It is booked in the journal together with the order.

use common::{
    api::orders::{
        Order, OrderWallets, OrderedAmount, OwnerFilter, PricedOrder, RefusalReason, Refused, ValidatedOrder,
    },
    ids::{MovementId, WalletId},
    money::Currency,
};

use super::DecisionState;
use crate::{
    orders::command::{Decision, MarketTerms, OrderTerms, PlaceCommand},
    wallets::{
        records::{BalanceReason, MovementKind, RecordedRefusal, RefusalKey},
        running_balances::{Change, PermittedMovement, Posting},
    },
};

/// Whether the wallets that an order names permit the order.
pub(super) enum Payment {
    /// No wallet pays the order.
    None,
    /// The wallets can pay the order.
    Permitted(PermittedMovement),
    /// The order is refused because of a wallet.
    Refused(Decision),
}

impl DecisionState {
    /// Checks the wallets of an order that is otherwise accepted.
    ///
    /// A refusal because of a balance is recorded with the refusals of wallets; see
    /// [`RecordedRefusal`](crate::wallets::records::RecordedRefusal). A refusal because of the owner or the currency of
    /// a wallet is not recorded, because a copy of the request is refused for the same reason.
    pub(super) fn check_payment(
        &mut self,
        command: &PlaceCommand,
        currency: Currency,
        priced: &PricedOrder,
    ) -> Payment {
        let Some(wallets) = command.wallets else { return Payment::None };
        let changes = match self.changes_of(command, wallets, currency, priced) {
            Ok(changes) => changes,
            Err(refused) => return Payment::Refused(Decision::Refused(refused)),
        };
        let (now, request) = (self.snapshot.now, || refusal_key(command, wallets));
        if let Some(refusal) = self.balances.applicable_refusal(request, command.requested_at, now) {
            return Payment::Refused(decision_of(refusal));
        }
        match self.balances.permit(changes, now) {
            Ok(permitted) => Payment::Permitted(permitted),
            Err(refusal) => {
                self.balances.record_refusal(request(), wallets.paying, refusal);
                Payment::Refused(decision_of(&refusal))
            }
        }
    }

    /// The changes of the wallets of an order. The wallets must belong to the owner of the order and have the right
    /// currencies.
    fn changes_of(
        &self,
        command: &PlaceCommand,
        OrderWallets { paying, credited }: OrderWallets,
        currency: Currency,
        PricedOrder { amount, price }: &PricedOrder,
    ) -> Result<Vec<Change>, Refused> {
        let owner = OwnerFilter::of(command.user);
        let check = |id: WalletId, currency: Currency| {
            let refused = |reason| Refused { wallet_id: Some(id), ..Refused::because(reason) };
            match self.balances.wallet(id, owner) {
                None => Err(refused(RefusalReason::WalletNotFound)),
                // A wallet in BTC cannot pay, because its balance is in satoshi and the order amount is not.
                Some(wallet) if wallet.currency != currency || (id == paying && currency == Currency::BTC) => {
                    Err(Refused { wallet_currency: Some(wallet.currency), ..refused(RefusalReason::WalletCurrency) })
                }
                Some(_) => Ok(()),
            }
        };
        check(paying, currency)?;
        let mut changes = vec![Change { wallet: paying, amount: -amount.ten_thousandths() }];
        if let Some(credited) = credited {
            check(credited, Currency::BTC)?;
            changes.push(Change { wallet: credited, amount: price.bitcoin_amount.get() });
        }
        Ok(changes)
    }

    /// Books the payment of an accepted order. The movement has the id of the order.
    pub(super) fn book_payment(&mut self, command: &PlaceCommand, order: &Order, permitted: PermittedMovement) {
        let posting = Posting {
            kind: MovementKind::Order,
            id: Some(MovementId(order.id.0)),
            not_before: order.created_at,
            key: &command.key,
            written_by: command.written_by,
        };
        self.balances.book(posting, permitted);
    }
}

fn decision_of(&RecordedRefusal { reason, wallet, currency, balance, .. }: &RecordedRefusal) -> Decision {
    let reason = match reason {
        BalanceReason::InsufficientFunds => RefusalReason::InsufficientFunds,
        BalanceReason::BalanceOutOfRange => RefusalReason::BalanceOutOfRange,
    };
    let refused = Refused::because(reason);
    Decision::Refused(Refused {
        wallet_id: Some(wallet),
        wallet_currency: Some(currency),
        balance: Some(balance),
        ..refused
    })
}

/// Identifies the request in the table of refusals of wallets. The text begins with `order`, unlike the texts of
/// deposits, withdrawals and transfers.
fn refusal_key(command: &PlaceCommand, OrderWallets { paying, credited }: OrderWallets) -> RefusalKey {
    let ordered = match &command.terms {
        OrderTerms::Market(MarketTerms { order: ValidatedOrder { currency, amount }, .. }) => match amount {
            OrderedAmount::Fiat(amount) => format!("{amount} {currency}"),
            OrderedAmount::Bitcoin(bitcoin) => format!("{bitcoin} BTC for {currency}"),
        },
        OrderTerms::Quote(quote) => format!("quote {quote}"),
    };
    let credited = credited.map(|wallet| format!(" credited to {wallet}")).unwrap_or_default();
    RefusalKey { key: command.key.clone(), request: format!("order {ordered} paid from {paying}{credited}") }
}
