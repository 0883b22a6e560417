//! Alerts for operators: each unusual condition is logged once when it begins and once when it ends.

use std::{collections::BTreeSet, time::Duration};

use common::{
    api::courses::{CastVote, Rejection},
    critical,
    money::{Currency, CurrencyPair},
};

use super::record_lifecycle::AvailabilityChange;
use crate::pricing::MarketPrices;

/// The conditions that were logged and have not ended.
#[derive(Debug, Default)]
pub(crate) struct AlertState {
    /// Currencies of the record that have no price while other currencies have one.
    unpriced: BTreeSet<Currency>,
    /// Whether simulated and real sources report prices at the same time.
    mixed: bool,
    /// Votes that are far from the others, in prices that orders use.
    outliers: BTreeSet<(String, CurrencyPair)>,
}

impl AlertState {
    /// `currencies` are the currencies of the price record.
    pub(crate) fn update(&mut self, market: &MarketPrices, currencies: &[Currency]) {
        let simulated: BTreeSet<_> =
            rejected_votes(market, currencies, Rejection::Simulated).map(|(_, vote)| vote.exchanger.clone()).collect();
        self.update_mixed(simulated);
        let outliers = rejected_votes(market, currencies, Rejection::Outlier);
        self.update_outliers(outliers.map(|(pair, vote)| (vote.exchanger.clone(), pair)).collect());
        self.update_unpriced(market, currencies);
    }

    fn update_mixed(&mut self, simulated: BTreeSet<String>) {
        let mixed = !simulated.is_empty();
        if mixed && !self.mixed {
            let sources = simulated.into_iter().collect::<Vec<_>>().join(",");
            tracing::warn!(sources, "simulated sources are ignored because real sources report prices");
        }
        self.mixed = mixed;
    }

    fn update_outliers(&mut self, outliers: BTreeSet<(String, CurrencyPair)>) {
        for (source, direction) in outliers.difference(&self.outliers) {
            tracing::warn!(source, %direction, "price of a source is ignored: it is far from the agreed price");
        }
        for (source, direction) in self.outliers.difference(&outliers) {
            tracing::info!(source, %direction, "price of a source is near the agreed price again");
        }
        self.outliers = outliers;
    }

    fn update_unpriced(&mut self, market: &MarketPrices, currencies: &[Currency]) {
        let has_price = |currency: Currency| market.bitcoin(currency).is_some_and(|price| price.price.is_some());
        // If no currency has a price, publishing fails as a whole. `report_availability_change` reports that.
        if !currencies.iter().any(|&currency| has_price(currency)) {
            return;
        }
        for &currency in currencies {
            match (has_price(currency), self.unpriced.contains(&currency)) {
                (false, false) => {
                    let why = market.bitcoin(currency).and_then(|price| price.refused.clone()).unwrap_or_default();
                    tracing::warn!(%currency, why, "currency is left out of the price record: it has no price");
                    self.unpriced.insert(currency);
                }
                (true, true) => {
                    tracing::info!(%currency, "currency has a price again");
                    self.unpriced.remove(&currency);
                }
                _ => {}
            }
        }
    }
}

/// The votes on the price of bitcoin that were rejected for one reason, with their pairs.
fn rejected_votes<'a>(
    market: &'a MarketPrices,
    currencies: &'a [Currency],
    why: Rejection,
) -> impl Iterator<Item = (CurrencyPair, &'a CastVote)> {
    let prices = currencies.iter().filter_map(|&currency| market.bitcoin(currency));
    let votes = prices.flat_map(|price| price.votes.iter().map(move |vote| (price.direction, vote)));
    votes.filter(move |(_, vote)| vote.rejected == Some(why))
}

/// Logs that the availability of the record has changed. `as_of` is the time of the last good record.
pub(crate) fn report_availability_change(
    change: AvailabilityChange,
    failures: u32,
    as_of: Option<String>,
    max_prolonged_age: Duration,
) {
    let (as_of, at_most_secs) = (as_of.unwrap_or_default(), max_prolonged_age.as_secs());
    match change {
        AvailabilityChange::Prolonged => {
            critical!(failures, as_of, at_most_secs, "no price is agreed: the last good price is prolonged");
        }
        AvailabilityChange::Expired => {
            critical!(failures, as_of, "there is no price: the last good price is too old");
        }
        AvailabilityChange::NeverAvailable => critical!(failures, "no price has been agreed since the start"),
        AvailabilityChange::Recovered => tracing::info!("price is fresh again"),
    }
}
