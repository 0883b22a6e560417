//! Metrics of the published prices, by currency.

use common::{metrics::Metrics, money::Currency};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use super::record_lifecycle::{CurrencyStatus, PriceAvailability};
use crate::{
    metrics::seconds,
    pricing::{GuardChange, GuardEvent},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CurrencyLabels {
    currency: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    currency: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GuardLabels {
    direction: String,
    event: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct PriceMetrics {
    as_of: Family<CurrencyLabels, Gauge>,
    states: Family<StateLabels, Gauge>,
    guard_events: Family<GuardLabels, Counter>,
}

impl PriceMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let new = Self { as_of: Family::default(), states: Family::default(), guard_events: Family::default() };
        let help = "Time when the last good price in a currency was observed, in seconds since 1970";
        metrics.register("price_currency_as_of_seconds", help, new.as_of.clone());
        let help = "State of the price in a currency: fresh, prolonged, stopped (the agreed price is implausible), expired or \
            missing. 1 for the current state, 0 for each other state";
        metrics.register("price_currency_state", help, new.states.clone());
        let help = "Implausible prices, by pair and event: held (withheld), accepted (lasting and confirmed), returned \
            (plausible again)";
        metrics.register("price_guard_events", help, new.guard_events.clone());
        new
    }

    pub(crate) fn set_status(&self, status: &CurrencyStatus) {
        let currency = status.currency.to_string();
        if let Some(as_of) = status.as_of {
            self.as_of.get_or_create(&CurrencyLabels { currency: currency.clone() }).set(seconds(as_of));
        }
        for state in PriceAvailability::ALL {
            let labels = StateLabels { currency: currency.clone(), state: state.as_str() };
            self.states.get_or_create(&labels).set((state == status.availability).into());
        }
    }

    /// Removes the gauges of a currency. Called for a currency that was removed from `CURRENCIES`, and while this
    /// instance does not poll, because only the leader exports these gauges.
    pub(crate) fn remove_currency(&self, currency: Currency) {
        let currency = currency.to_string();
        self.as_of.remove(&CurrencyLabels { currency: currency.clone() });
        for state in PriceAvailability::ALL {
            self.states.remove(&StateLabels { currency: currency.clone(), state: state.as_str() });
        }
    }

    pub(crate) fn record_guard_event(&self, event: &GuardEvent) {
        let name = match event.change {
            GuardChange::Withheld => "held",
            GuardChange::Accepted => "accepted",
            GuardChange::PlausibleAgain => "returned",
        };
        self.guard_events.get_or_create(&GuardLabels { direction: event.pair.to_string(), event: name }).inc();
    }
}
