//! What is out of the ordinary about prices, told once when it begins and once when it ends.

use std::{collections::BTreeSet, time::Duration};

use common::{
    api::courses::Rejection,
    critical,
    money::{Currency, CurrencyPair},
};

use super::record_lifecycle::AvailabilityChange;
use crate::pricing::MarketPrices;

/// What was told and has not ended.
#[derive(Debug, Default)]
pub(crate) struct AlertState {
    /// Currencies of the record that have no price, where others have one.
    left_out: BTreeSet<Currency>,
    simulated_and_real: bool,
    /// Votes that were far from the others, in the prices that orders use.
    outliers: BTreeSet<(String, CurrencyPair)>,
}

impl AlertState {
    pub(crate) fn update(&mut self, market: &MarketPrices, currencies: &[Currency]) {
        let rejected = |why: Rejection| {
            let ours = currencies.iter().filter_map(|&currency| market.bitcoin(currency));
            let votes = ours.flat_map(|price| price.votes.iter().map(move |vote| (price.direction, vote)));
            let votes = votes.filter(move |(_, vote)| vote.rejected == Some(why));
            votes.map(|(direction, vote)| (vote.exchanger.clone(), direction)).collect::<BTreeSet<_>>()
        };
        let simulated: BTreeSet<_> = rejected(Rejection::Simulated).into_iter().map(|(source, _)| source).collect();
        let mixed = !simulated.is_empty();
        if mixed && !self.simulated_and_real {
            let sources = simulated.into_iter().collect::<Vec<_>>().join(",");
            tracing::warn!(sources, "some sources are simulated and others real: the simulated ones are passed over");
        }
        self.simulated_and_real = mixed;

        let outliers = rejected(Rejection::Outlier);
        for (source, direction) in outliers.difference(&self.outliers) {
            tracing::warn!(source, %direction, "the price of a source is far from the agreed one: it has no vote");
        }
        for (source, direction) in self.outliers.difference(&outliers) {
            tracing::info!(source, %direction, "the price of a source agrees with the others again");
        }
        self.outliers = outliers;

        let price = |currency: &Currency| market.bitcoin(*currency).filter(|price| price.price.is_some());
        // Where none has a price, that is the failure of a round and not of single currencies.
        if !currencies.iter().any(|currency| price(currency).is_some()) {
            return;
        }
        for &currency in currencies {
            match (price(&currency), self.left_out.contains(&currency)) {
                (None, false) => {
                    let why = market.bitcoin(currency).and_then(|price| price.refused.clone()).unwrap_or_default();
                    tracing::warn!(%currency, why, "there is no price in a currency: it is left out of the record");
                    self.left_out.insert(currency);
                }
                (Some(_), true) => {
                    tracing::info!(%currency, "there is a price in a currency again");
                    self.left_out.remove(&currency);
                }
                _ => {}
            }
        }
    }
}

/// Tells that the record as a whole stands otherwise.
pub(crate) fn report_change(change: AvailabilityChange, failed_rounds: u32, as_of: Option<String>, at_most: Duration) {
    let (as_of, at_most_secs) = (as_of.unwrap_or_default(), at_most.as_secs());
    match change {
        AvailabilityChange::Prolonged => {
            critical!(failed_rounds, as_of, at_most_secs, "no source gives a price: the last good one is prolonged");
        }
        AvailabilityChange::Expired => {
            critical!(failed_rounds, as_of, "the last good price is too old: there is no price now")
        }
        AvailabilityChange::NeverGood => critical!(failed_rounds, "no source has given a price since the start"),
        AvailabilityChange::Recovered => tracing::info!("the price is fresh again"),
    }
}
