//! The sources that support or contradict a price. The API calls a source `exchanger` and a pair `direction`.

use std::{collections::BTreeSet, time::Duration};

use common::{
    api::courses::{AgreedPrice, CourseKind, Method, Rejection},
    money::{Asset, Currency, CurrencyPair, Rate},
    time::Timestamp,
};

use super::Band;
use crate::pricing::{
    agreement::Vote,
    cross_rates::OfficialRates,
    market::{MarketPrices, exclude_simulated_among_real},
};

/// How many voters must agree on an implausible price if no other index reports the pair. If fewer sources of their kind
/// report the pair, all of them must agree.
const MIN_AGREEING_VOTERS: usize = 3;
/// Maximum age at which the price of an index counts as evidence. Indices are refreshed once a minute and polled every
/// 45 s, and a poll can fail.
const MAX_INDEX_AGE: Duration = Duration::from_mins(3);
/// How official rates are named among the sources that contradict a price.
const OFFICIAL_RATES: &str = "official rates";

/// The sources for and against one price.
#[derive(Debug, Clone, Default)]
pub(super) struct Evidence {
    /// The sources that voted for the price, and the indices that confirm it.
    pub(super) supporting: Vec<String>,
    pub(super) contradicting: Vec<String>,
    /// How many sources voted for the price.
    voters: usize,
    /// How many sources of the kind of the voters report the pair. Sources whose votes are stale, frozen or outliers are
    /// included. Simulated sources among real ones are not.
    reporters: usize,
    /// How many indices that did not vote have an eligible and recent price of the pair.
    indices: usize,
    /// How many of the counted `indices` confirm the price.
    confirming_indices: usize,
}

impl Evidence {
    /// Whether more sources contradict the price than support it.
    pub(super) fn contradicts(&self) -> bool {
        self.contradicting.len() > self.supporting.len()
    }

    /// Whether independent sources confirm the price.
    pub(super) fn confirms(&self) -> bool {
        if self.indices > 0 {
            self.confirming_indices > 0
        } else {
            self.voters >= MIN_AGREEING_VOTERS.min(self.reporters) && self.contradicting.is_empty()
        }
    }
}

/// The votes of one poll.
pub(super) struct EvidenceSources<'a> {
    votes: Vec<Vote>,
    rates: OfficialRates,
    currencies: &'a [Currency],
    now: Timestamp,
}

impl<'a> EvidenceSources<'a> {
    pub(super) fn new(votes: &[Vote], currencies: &'a [Currency], now: Timestamp) -> Self {
        let votes = exclude_simulated_among_real(votes);
        let rates = OfficialRates::from_votes(&votes);
        Self { votes, rates, currencies, now }
    }

    /// The evidence about `agreed`, whose price is `price`.
    pub(super) fn evidence(&self, market: &MarketPrices, agreed: &AgreedPrice, price: Rate, band: Band) -> Evidence {
        let voters = market.sources(agreed);
        let mut evidence = Evidence { voters: voters.len(), supporting: voters.clone(), ..Evidence::default() };
        evidence.add_other_voters(market, agreed, band, |source| self.has_kind_of(&voters, source));
        evidence.add_indices(self.indices(agreed.direction, &voters), price, band);
        if agreed.method == Method::Median && self.official_rates_contradict(market, agreed, price, band) {
            evidence.contradicting.push(OFFICIAL_RATES.to_owned());
        }
        evidence
    }

    /// Whether a source is of the same kind as one of `voters`.
    fn has_kind_of(&self, voters: &[String], source: &str) -> bool {
        let kind_of = |source: &str| self.votes.iter().find(|vote| vote.source == source).map(|vote| vote.kind);
        voters.iter().any(|voter| kind_of(voter) == kind_of(source))
    }

    /// The eligible and recent votes on `pair` of the indices that did not vote on its price.
    fn indices(&self, pair: CurrencyPair, voters: &[String]) -> impl Iterator<Item = &Vote> {
        let indices = self.votes.iter().filter(move |vote| vote.kind == CourseKind::Index && vote.pair == pair);
        let recent = indices.filter(|vote| self.now.since(vote.observed_at) <= MAX_INDEX_AGE);
        recent.filter(|vote| vote.ineligible.is_none() && !voters.iter().any(|voter| voter == vote.source))
    }

    /// Whether the price is outside the band around most of the prices that follow from other currencies by official rates.
    fn official_rates_contradict(&self, market: &MarketPrices, agreed: &AgreedPrice, price: Rate, band: Band) -> bool {
        let CurrencyPair { base, quote } = agreed.direction;
        let other = |quote: Asset| {
            let other = market.prices.get(&CurrencyPair::new(base, quote))?;
            Some(other).filter(|other| other.method == Method::Median && other.simulated == agreed.simulated)
        };
        let derived: Vec<Rate> = if quote == Asset::USD {
            let quotes = self.currencies.iter().map(|&currency| Asset::from(currency));
            let derive = |quote: Asset| self.rates.to_dollars(other(quote)?.price?, quote);
            quotes.filter(|&quote| quote != Asset::USD).filter_map(derive).collect()
        } else {
            other(Asset::USD).and_then(|in_dollars| self.rates.convert(in_dollars, quote)?.price).into_iter().collect()
        };
        let far = derived.iter().filter(|&&other| !band.contains(other, price)).count();
        far * 2 > derived.len()
    }
}

impl Evidence {
    /// Counts the sources that report the pair, and adds the outliers that contradict the price.
    fn add_other_voters(
        &mut self,
        market: &MarketPrices,
        agreed: &AgreedPrice,
        band: Band,
        is_same_kind: impl Fn(&str) -> bool,
    ) {
        let voted = market.voted(agreed);
        let real = voted.votes.iter().filter(|vote| vote.rejected != Some(Rejection::Simulated));
        let reporters: BTreeSet<_> =
            real.map(|vote| vote.exchanger.as_str()).filter(|name| is_same_kind(name)).collect();
        self.reporters = reporters.len();
        let outliers = voted.votes.iter().filter(|vote| vote.rejected == Some(Rejection::Outlier));
        let far =
            outliers.filter(|vote| voted.price.zip(vote.vote).is_some_and(|(price, vote)| !band.contains(price, vote)));
        self.contradicting.extend(far.map(|vote| vote.exchanger.clone()));
    }

    fn add_indices<'a>(&mut self, indices: impl Iterator<Item = &'a Vote>, price: Rate, band: Band) {
        for index in indices {
            self.indices += 1;
            if band.contains(index.value, price) {
                self.confirming_indices += 1;
                self.supporting.push(index.source.to_owned());
            } else {
                self.contradicting.push(index.source.to_owned());
            }
        }
    }
}
