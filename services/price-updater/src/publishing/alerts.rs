//! Alerts for operators. An unusual condition is logged when it begins. Its end is logged too, unless the condition is
//! a mixture of simulated and real sources. Log messages call a pair `direction`, as the API does.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    api::courses::{CastVote, Rejection},
    critical,
    money::{Currency, CurrencyPair},
};

use super::record_lifecycle::{AvailabilityChange, CurrencyChange, CurrencyStatus};
use crate::pricing::{GuardChange, GuardEvent, MarketPrices, percent_change};

/// The conditions in the last poll interval. A condition that lasts is not logged again.
#[derive(Debug, Default)]
pub(crate) struct AlertState {
    /// Whether simulated and real sources report prices at the same time.
    mixed: bool,
    /// The sources whose votes were rejected as outliers, with the pair. Only prices that orders use are considered.
    outliers: BTreeSet<(String, CurrencyPair)>,
}

impl AlertState {
    /// Logs the conditions that begin or end with these prices. `currencies` are the currencies of the price record.
    pub(crate) fn update(&mut self, market: &MarketPrices, currencies: &[Currency]) {
        let simulated: BTreeSet<_> =
            rejected_votes(market, currencies, Rejection::Simulated).map(|(_, vote)| vote.exchanger.clone()).collect();
        self.update_mixed(simulated);
        let outliers = rejected_votes(market, currencies, Rejection::Outlier);
        self.update_outliers(outliers.map(|(pair, vote)| (vote.exchanger.clone(), pair)).collect());
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
}

/// The votes on the prices of bitcoin that were rejected for the reason `why`, with their pairs.
fn rejected_votes<'a>(
    market: &'a MarketPrices,
    currencies: &'a [Currency],
    why: Rejection,
) -> impl Iterator<Item = (CurrencyPair, &'a CastVote)> {
    let prices = currencies.iter().filter_map(|&currency| market.bitcoin(currency));
    let votes = prices.flat_map(|price| price.votes.iter().map(move |vote| (price.direction, vote)));
    votes.filter(move |(_, vote)| vote.rejected == Some(why))
}

/// Logs that the availability of prices has changed. Currencies with the same change share one message.
pub(crate) fn report_availability_changes(
    changes: &[CurrencyChange],
    statuses: &[CurrencyStatus],
    max_prolonged_age: Duration,
) {
    let mut by_change: BTreeMap<AvailabilityChange, Vec<&CurrencyStatus>> = BTreeMap::new();
    for changed in changes {
        let status = statuses.iter().find(|status| status.currency == changed.currency);
        by_change.entry(changed.change).or_default().extend(status);
    }
    for (change, changed) in by_change {
        let names = changed.iter().map(|status| status.currency.to_string()).collect::<Vec<_>>();
        let all = names.len() == statuses.len();
        let currencies = names.join(",");
        let failures = changed.iter().map(|status| status.failures).max().unwrap_or(0);
        let as_of = changed.iter().filter_map(|status| status.as_of).min().map(|as_of| as_of.to_string());
        let reasons =
            changed.iter().filter_map(|status| Some(format!("{}: {}", status.currency, status.reason.as_ref()?)));
        let why = reasons.collect::<Vec<_>>().join("; ");
        let (as_of, at_most_secs) = (as_of.unwrap_or_default(), max_prolonged_age.as_secs());
        match change {
            AvailabilityChange::Prolonged => critical!(
                currencies,
                all,
                failures,
                as_of,
                at_most_secs,
                why,
                "no newer price can be published: the last good price is prolonged"
            ),
            AvailabilityChange::Stopped => {
                critical!(currencies, all, as_of, why, "orders stop because the agreed price is implausible");
            }
            AvailabilityChange::Expired => {
                critical!(currencies, all, failures, as_of, why, "there is no price: the last good price is too old");
            }
            AvailabilityChange::NeverAvailable => {
                critical!(currencies, all, failures, why, "no price has been agreed since the start");
            }
            AvailabilityChange::Recovered => tracing::info!(currencies, all, "price is fresh again"),
        }
    }
}

/// Logs a decision of the band guard about a price that orders use.
pub(crate) fn report_guard_event(event: &GuardEvent) {
    let GuardEvent { pair: direction, change, price, accepted, supporting, contradicting } = event;
    let difference = accepted.map(|accepted| percent_change(accepted, *price)).unwrap_or_default();
    let last_accepted = accepted.map(|accepted| accepted.to_string()).unwrap_or_default();
    let (supporting, contradicting) = (supporting.join(","), contradicting.join(","));
    match change {
        GuardChange::Withheld => critical!(
            %direction,
            %price,
            last_accepted,
            difference,
            supporting,
            contradicting,
            "the agreed price is implausible and is not used until it lasts and independent sources confirm it"
        ),
        GuardChange::Accepted => tracing::warn!(
            %direction,
            %price,
            last_accepted,
            difference,
            supporting,
            contradicting,
            "the implausible price is accepted: it has lasted, and independent sources confirm it"
        ),
        GuardChange::PlausibleAgain => {
            tracing::info!(%direction, %price, last_accepted, "the agreed price is plausible again");
        }
    }
}
