//! Orders that wallets pay: each has one movement with the id of the order.

use std::collections::BTreeMap;

use common::{
    api::{
        Code,
        orders::{OrderWallets, client_name},
    },
    ids::{MovementId, WalletId},
    money::Currency,
    time::Timestamp,
};
use serde_json::Value;

use super::{
    WalletViolation,
    journal::{StoredAccount, StoredJournal, StoredMovement},
    timeline::{Acknowledgement, Timelines},
};
use crate::history::{Attempt, ClientUser, Outcome, RequestedOrder, StoredOrder};

/// The orders of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Orders<'a> {
    pub attempts: &'a [Attempt],
    pub stored: &'a [StoredOrder],
}

/// A line of a movement: the wallet (`None` for money outside Buydesk), the currency and the amount.
type Line = (Option<WalletId>, Currency, i64);

impl Orders<'_> {
    /// When the movements of orders were acknowledged.
    pub fn acknowledgements(&self) -> impl Iterator<Item = Acknowledgement> {
        self.attempts.iter().filter_map(|attempt| {
            let (Outcome::Placed { body, .. }, RequestedOrder::Paid { .. }) = (&attempt.outcome, attempt.requested)
            else {
                return None;
            };
            let body: Value = serde_json::from_slice(body).ok()?;
            Some(Acknowledgement { movement: body["id"].as_str()?.parse().ok()?, at: attempt.end })
        })
    }

    /// Checks that each order that a wallet paid has a movement with its amounts, and that each movement of an order
    /// has an order.
    pub fn check_payments(&self, journal: &StoredJournal) -> Vec<WalletViolation> {
        let paid = self.stored.iter().filter_map(|stored| Some((stored, stored.order.wallets()?)));
        let paid: BTreeMap<_, _> =
            paid.map(|(stored, wallets)| (MovementId(stored.order.id.0), (stored, wallets))).collect();
        let differs = |id: &MovementId| WalletViolation::OrderMovementDiffers { order: id.to_string() };
        let mut violations = Vec::new();
        for (id, (stored, wallets)) in &paid {
            if journal.movements.get(id).is_none_or(|movement| !is_payment_of(movement, stored, *wallets)) {
                violations.push(differs(id));
            }
        }
        let without_order =
            |(id, movement): &(&MovementId, &StoredMovement)| movement.kind == "order" && !paid.contains_key(*id);
        violations.extend(journal.movements.iter().filter(without_order).map(|(id, _)| differs(id)));
        violations
    }

    /// Checks each order that was refused because of the balance: at that time, the wallet had less than the amount of
    /// the order.
    pub fn check_refusals(&self, timelines: &Timelines) -> Vec<WalletViolation> {
        let mut starts: BTreeMap<(ClientUser, &str), Timestamp> = BTreeMap::new();
        for attempt in self.attempts {
            let start = starts.entry((attempt.user, &attempt.idempotency_key)).or_insert(attempt.start);
            *start = attempt.start.min(*start);
        }
        let mut violations = Vec::new();
        for attempt in self.attempts {
            let Outcome::Refused { code: code @ Code::InsufficientFunds, balance, .. } = &attempt.outcome else {
                continue;
            };
            let RequestedOrder::Paid { amount, wallets } = attempt.requested else { continue };
            // The response may repeat the refusal of an earlier attempt.
            let start = starts[&(attempt.user, attempt.idempotency_key.as_str())];
            let is_true = balance.is_some_and(|balance| {
                let units = balance.units();
                units < amount.ten_thousandths() && timelines.may_have_had(wallets.paying, units, start, attempt.end)
            });
            if !is_true {
                let key = attempt.idempotency_key.clone();
                let why = "the wallet did not have a smaller balance at that time";
                violations.push(WalletViolation::FalseRefusal { key, code: *code, why });
            }
        }
        violations
    }
}

/// Whether the movement takes the amount of the order from the wallet that pays, and adds its bitcoin to the credited
/// wallet.
fn is_payment_of(movement: &StoredMovement, stored: &StoredOrder, wallets: OrderWallets) -> bool {
    let (fiat, amount) = (stored.order.currency, stored.order.amount.ten_thousandths());
    let mut expected: Vec<Line> = vec![(Some(wallets.paying), fiat, -amount), (None, fiat, amount)];
    if let Some(credited) = wallets.credited {
        let satoshi = stored.order.bitcoin_amount.get();
        expected.extend([(Some(credited), Currency::BTC, satoshi), (None, Currency::BTC, -satoshi)]);
    }
    let booked_on = |account| match account {
        StoredAccount::Outside => None,
        StoredAccount::Wallet { id, .. } => Some(id),
    };
    let entries = movement.entries.iter();
    let mut lines: Vec<Line> = entries.map(|entry| (booked_on(entry.account), entry.currency, entry.amount)).collect();
    lines.sort_unstable();
    expected.sort_unstable();
    movement.kind == "order"
        && movement.client == client_name(stored.order.user_id)
        && movement.idempotency_key == stored.idempotency_key
        && lines == expected
}
