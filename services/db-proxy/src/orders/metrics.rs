//! Business metrics: the placed orders, the bitcoin sold, and the remaining limit.

use std::collections::BTreeMap;

use common::{
    metrics::{ExactCounter, ExactGauge, Metrics, Units},
    money::{Currency, Sats},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::{command::Decision, policy, records::Totals};

/// The currency of an order. The configured currencies limit the number of label values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CurrencyLabel {
    currency: String,
}

/// The orders that this process placed, by currency; the limit, its remaining part, and the part that open quotes
/// reserve.
#[derive(Clone)]
pub struct OrderMetrics {
    limit: ExactGauge<8>,
    orders: Family<CurrencyLabel, Counter>,
    amounts: Family<CurrencyLabel, ExactCounter<4>>,
    bitcoin: Family<CurrencyLabel, ExactCounter<8>>,
    remaining: ExactGauge<8>,
    reserved: ExactGauge<8>,
}

/// The sums over the orders of a batch in one currency.
#[derive(Default)]
struct Sum {
    orders: u64,
    ten_thousandths: i64,
    sats: i64,
}

impl OrderMetrics {
    /// `limit` is exported until the limit in force is known.
    pub fn register(metrics: &Metrics, limit: Sats) -> Self {
        let new = Self {
            limit: ExactGauge::default(),
            orders: Family::default(),
            amounts: Family::default(),
            bitcoin: Family::default(),
            remaining: ExactGauge::default(),
            reserved: ExactGauge::default(),
        };
        new.limit.set(Units(limit.get()));
        metrics.register("orders_placed", "Orders placed by this process", new.orders.clone());
        metrics.register("orders_amount", "Amount of the placed orders, in their currency", new.amounts.clone());
        metrics.register("orders_bitcoin", "Bitcoin sold by the placed orders", new.bitcoin.clone());
        metrics.register(
            "limit_bitcoin",
            "The maximum bitcoin amount of all orders and open quotes together",
            new.limit.clone(),
        );
        metrics.register("limit_remaining_bitcoin", "The remaining limit", new.remaining.clone());
        metrics.register(
            "limit_reserved_bitcoin",
            "The part of the limit that open quotes reserve",
            new.reserved.clone(),
        );
        new
    }

    /// Counts the orders that a committed batch placed. Replayed orders are not counted.
    pub fn record_decisions(&self, decisions: &[Decision]) {
        let mut sums = BTreeMap::<Currency, Sum>::new();
        for decision in decisions {
            if let Decision::Placed(placed) = decision
                && !placed.replayed
            {
                let sum = sums.entry(placed.order.currency).or_default();
                sum.orders += 1;
                sum.ten_thousandths = sum.ten_thousandths.saturating_add(placed.order.amount.ten_thousandths());
                sum.sats = sum.sats.saturating_add(placed.order.bitcoin_amount.get());
            }
        }
        for (currency, Sum { orders, ten_thousandths, sats }) in sums {
            let label = CurrencyLabel { currency: currency.to_string() };
            self.orders.get_or_create(&label).inc_by(orders);
            self.amounts.get_or_create(&label).inc_by(Units(ten_thousandths));
            self.bitcoin.get_or_create(&label).inc_by(Units(sats));
        }
    }

    pub fn set_totals(&self, totals: &Totals, limit: Sats) {
        self.limit.set(Units(limit.get()));
        self.remaining.set(Units(policy::remaining(limit, totals).get()));
        self.reserved.set(Units(totals.reserved.get()));
    }
}

#[cfg(test)]
mod tests;
