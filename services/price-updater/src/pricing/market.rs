//! The price of everything, of what all sources said in one slot. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    api::{
        courses::{AgreedPrice, CastVote, CourseKind, Method, Rejection},
        prices::{NewPriceRecord, Price, PriceState},
    },
    money::{Asset, Currency, CurrencyPair, Rate},
    time::Timestamp,
};

use super::{
    agreement::{AgreementRules, Vote, agree_on_price},
    cross_rates::OfficialRates,
};

/// What is priced.
const COINS: [Asset; 3] = [Asset::BTC, Asset::ETH, Asset::USDT];
/// What it is priced in, whether anybody tells it or not; further currencies where an exchange or an official rate does.
const ALWAYS: [Asset; 3] = [Asset::EUR, Asset::GBP, Asset::USD];

/// What the market is asked for.
#[derive(Debug, Clone)]
pub(crate) struct PricingConfig {
    /// The currencies of the record that orders use.
    pub(crate) currencies: Vec<Currency>,
    pub(crate) rules: AgreementRules,
    /// What enough exchanges trade to agree on it, whether they tell it right now or not.
    pub(crate) traded: BTreeSet<CurrencyPair>,
}

/// The prices of one slot.
#[derive(Debug, Clone, Default)]
pub(crate) struct MarketPrices {
    pub(crate) prices: BTreeMap<CurrencyPair, AgreedPrice>,
}

/// The prices that were agreed last, with when that was and whether they are simulated.
#[derive(Debug, Default)]
pub(crate) struct PriceHistory(BTreeMap<CurrencyPair, (Rate, Timestamp, bool)>);

impl PriceHistory {
    pub(crate) fn note(&mut self, market: &MarketPrices) {
        let priced = market.prices.values().filter(|agreed| agreed.method == Method::Median);
        let priced =
            priced.filter_map(|agreed| Some((agreed.direction, agreed.price?, agreed.as_of?, agreed.simulated)));
        self.0.extend(priced.map(|(at, price, as_of, simulated)| (at, (price, as_of, simulated))));
    }

    /// What an earlier run agreed on.
    pub(crate) fn resume_from(&mut self, record: &NewPriceRecord) {
        for (&currency, price) in &record.prices {
            let at = CurrencyPair::new(Asset::BTC, currency.into());
            self.0.entry(at).or_insert((price.price, record.as_of, record.simulated));
        }
    }

    fn price(&self, at: CurrencyPair, simulated: bool, since: Timestamp) -> Option<Rate> {
        let (price, as_of, made_up) = self.0.get(&at)?;
        (*made_up == simulated && *as_of > since).then_some(*price)
    }
}

impl MarketPrices {
    /// `past` prices count where they are of after `since`. A made-up one says nothing about real ones.
    pub(crate) fn compute(votes: &[Vote], wanted: &PricingConfig, past: &PriceHistory, since: Timestamp) -> Self {
        let votes = real_ones(votes);
        let simulated = !votes.iter().any(|vote| is_live(vote) && vote.ineligible.is_none() && !vote.simulated);
        let ours = wanted.currencies.iter().map(|&currency| Asset::from(currency));
        let live = votes.iter().filter(|vote| is_live(vote) && vote.told.quote != Asset::USDT);
        let mut fiats: BTreeSet<_> = ours.clone().chain(ALWAYS).collect();
        fiats.extend(live.map(|vote| vote.told.quote));
        let agreed = COINS.iter().flat_map(|&coin| fiats.iter().map(move |&fiat| CurrencyPair::new(coin, fiat)));
        let agreed = agreed.filter(|direction| direction.base != direction.quote);
        let agreed = agreed.map(|at| (at, agree_on_price(at, &votes, wanted.rules, past.price(at, simulated, since))));
        let mut prices: BTreeMap<_, _> = agreed.collect();

        // What enough exchanges trade and orders are paid in is never computed, not even where exchanges contradict each other.
        // What they do not is rather computed of what they trade in dollars, a few seconds ago, than taken from an index, which
        // tells it a minute ago: so it does not go to and fro between the two as the index gets older.
        let ours: BTreeSet<_> = ours.collect();
        let spared = |at: &CurrencyPair| ours.contains(&at.quote) && wanted.traded.contains(at);
        let fixings = OfficialRates::of(&votes);
        for currency in fixings.currencies() {
            for coin in COINS {
                let at = CurrencyPair::new(coin, currency);
                let Some(in_dollars) = prices.get(&CurrencyPair::new(coin, Asset::USD)).filter(|_| !spared(&at)) else {
                    continue;
                };
                let Some(cross) = fixings.cross(in_dollars, currency) else { continue };
                let told = prices.get(&at).filter(|price| price.price.is_some());
                let better = |told: &AgreedPrice| {
                    by_indices(told, &votes) && !by_indices(in_dollars, &votes) && cross.simulated == told.simulated
                };
                if told.is_none_or(better) {
                    let votes = told.map(|told| not_used(&told.votes)).unwrap_or_default();
                    prices.insert(at, AgreedPrice { votes, ..cross });
                }
            }
        }
        // A currency that nobody prices is no news, unless orders are paid in it.
        prices.retain(|at, price| {
            let told = price.price.is_some() || !price.votes.is_empty();
            told || (ours.contains(&at.quote) && at.base == Asset::BTC)
        });
        Self { prices }
    }

    /// The price of one bitcoin in `currency`.
    pub(crate) fn bitcoin(&self, currency: Currency) -> Option<&AgreedPrice> {
        self.prices.get(&CurrencyPair::new(Asset::BTC, currency.into()))
    }

    /// The record that orders use, of the prices that there are; nothing where there is none. It is as old as the oldest
    /// of them, so a currency whose price is more than `behind` older than the newest is left out: it would end the others
    /// with it.
    pub(crate) fn record(&self, currencies: &[Currency], behind: Duration) -> Option<NewPriceRecord> {
        let priced = currencies.iter().filter_map(|&currency| {
            let agreed = self.bitcoin(currency)?;
            Some((currency, agreed.price?, agreed.as_of?, agreed))
        });
        let mut priced: Vec<_> = priced.collect();
        let newest = priced.iter().map(|(_, _, as_of, _)| *as_of).max()?;
        priced.retain(|(_, _, as_of, _)| newest.since(*as_of) <= behind);
        Some(NewPriceRecord {
            state: PriceState::Fresh,
            as_of: priced.iter().map(|(_, _, as_of, _)| *as_of).min()?,
            simulated: priced.iter().any(|(.., agreed)| agreed.simulated),
            prices: priced
                .iter()
                .map(|&(currency, price, _, agreed)| (currency, Price { price, sources: self.sources(agreed) }))
                .collect(),
        })
    }

    /// Whose votes a price is made of; those of its first leg where it is computed.
    fn sources(&self, agreed: &AgreedPrice) -> Vec<String> {
        let voted = agreed.legs.first().and_then(|leg| self.prices.get(leg)).unwrap_or(agreed);
        let mut sources: Vec<_> =
            voted.votes.iter().filter(|vote| vote.used).map(|vote| vote.exchanger.clone()).collect();
        sources.sort_unstable();
        sources
    }
}

/// Whether any of the votes that a price is made of is an index.
fn by_indices(price: &AgreedPrice, votes: &[Vote]) -> bool {
    let is_index =
        |vote: &CastVote| votes.iter().any(|other| other.kind == CourseKind::Index && other.source == vote.exchanger);
    price.votes.iter().any(|vote| vote.used && is_index(vote))
}

fn not_used(votes: &[CastVote]) -> Vec<CastVote> {
    let not_used = |vote: &CastVote| {
        let rejected = vote.rejected.or(Some(Rejection::Unlike));
        CastVote { used: false, rejected, ..vote.clone() }
    };
    votes.iter().map(not_used).collect()
}

fn is_live(vote: &Vote) -> bool {
    vote.kind != CourseKind::Fixing
}

/// The same votes, where real and made-up prices are never mixed: as soon as one that counts is real, only real ones do.
fn real_ones(votes: &[Vote]) -> Vec<Vote> {
    let mut votes = votes.to_vec();
    for live in [true, false] {
        if votes.iter().any(|vote| is_live(vote) == live && !vote.simulated && vote.ineligible.is_none()) {
            for vote in votes.iter_mut().filter(|vote| is_live(vote) == live && vote.simulated) {
                vote.ineligible = Some(Rejection::Simulated);
            }
        }
    }
    votes
}

#[cfg(test)]
mod tests;
