//! The price of every pair, from all votes of one poll interval.

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

/// The coins that are priced.
const COINS: [Asset; 3] = [Asset::BTC, Asset::ETH, Asset::USDT];
/// The currencies in which coins are always priced. A further currency is added if an exchange or an official rate has it.
const BASE_CURRENCIES: [Asset; 3] = [Asset::EUR, Asset::GBP, Asset::USD];

/// Which pairs are priced, and the rules of agreement.
#[derive(Debug, Clone)]
pub(crate) struct PricingConfig {
    /// The currencies of the price record that orders use.
    pub(crate) currencies: Vec<Currency>,
    pub(crate) rules: AgreementRules,
    /// The pairs that enough exchanges trade to agree on a price, even if they report none at the moment.
    pub(crate) traded: BTreeSet<CurrencyPair>,
}

impl PricingConfig {
    fn assets(&self) -> BTreeSet<Asset> {
        self.currencies.iter().map(|&currency| Asset::from(currency)).collect()
    }
}

/// The last agreed price of each pair.
#[derive(Debug, Default)]
pub(crate) struct PriceHistory(BTreeMap<CurrencyPair, PastPrice>);

#[derive(Debug)]
struct PastPrice {
    price: Rate,
    as_of: Timestamp,
    simulated: bool,
}

impl PriceHistory {
    pub(crate) fn record(&mut self, market: &MarketPrices) {
        let agreed = market.prices.values().filter(|agreed| agreed.method == Method::Median);
        self.0.extend(agreed.filter_map(|agreed| {
            let past = PastPrice { price: agreed.price?, as_of: agreed.as_of?, simulated: agreed.simulated };
            Some((agreed.direction, past))
        }));
    }

    /// Adds the prices of a record that another instance or an earlier run has published. A pair that already has a price
    /// keeps it.
    pub(crate) fn resume_from(&mut self, record: &NewPriceRecord) {
        for (&currency, price) in &record.prices {
            let pair = CurrencyPair::new(Asset::BTC, currency.into());
            let past = PastPrice { price: price.price, as_of: record.as_of, simulated: record.simulated };
            self.0.entry(pair).or_insert(past);
        }
    }

    /// The last price of `pair`, if it was observed after `since`. Simulated prices are not compared with real ones.
    fn reference(&self, pair: CurrencyPair, simulated: bool, since: Timestamp) -> Option<Rate> {
        let past = self.0.get(&pair).filter(|past| past.simulated == simulated && past.as_of > since);
        past.map(|past| past.price)
    }
}

/// The price of each pair in one poll interval. Includes pairs that have votes but no price.
#[derive(Debug, Clone, Default)]
pub(crate) struct MarketPrices {
    pub(crate) prices: BTreeMap<CurrencyPair, AgreedPrice>,
}

impl MarketPrices {
    /// Prices in `history` are used as references if they were observed after `since`.
    pub(crate) fn compute(votes: &[Vote], config: &PricingConfig, history: &PriceHistory, since: Timestamp) -> Self {
        let votes = exclude_simulated_among_real(votes);
        let mut market = Self::agreed(&votes, config, history, since);
        market.add_cross_prices(&votes, config);
        market.drop_unreported(config);
        market
    }

    /// The prices that the votes agree on.
    fn agreed(votes: &[Vote], config: &PricingConfig, history: &PriceHistory, since: Timestamp) -> Self {
        let simulated = !votes.iter().any(|vote| is_live(vote) && vote.ineligible.is_none() && !vote.simulated);
        let live = votes.iter().filter(|vote| is_live(vote) && vote.pair.quote != Asset::USDT);
        let mut currencies = config.assets();
        currencies.extend(BASE_CURRENCIES);
        currencies.extend(live.map(|vote| vote.pair.quote));
        let pairs = COINS.iter().flat_map(|&coin| currencies.iter().map(move |&quote| CurrencyPair::new(coin, quote)));
        let prices = pairs.filter(|pair| pair.base != pair.quote).map(|pair| {
            let reference = history.reference(pair, simulated, since);
            (pair, agree_on_price(pair, votes, config.rules, reference))
        });
        Self { prices: prices.collect() }
    }

    /// Adds prices that are converted from dollars by official rates.
    ///
    /// Orders never use a converted price in a pair that enough exchanges trade, even if these exchanges contradict each
    /// other. In other pairs, a converted price replaces the price of an index, because exchanges report dollars every few
    /// seconds and an index can be a minute old. The age of the index does not matter, so that the price does not alternate
    /// between the two.
    fn add_cross_prices(&mut self, votes: &[Vote], config: &PricingConfig) {
        let order_currencies = config.assets();
        let rates = OfficialRates::from_votes(votes);
        for currency in rates.currencies() {
            for coin in COINS {
                let pair = CurrencyPair::new(coin, currency);
                if order_currencies.contains(&currency) && config.traded.contains(&pair) {
                    continue;
                }
                let Some(in_dollars) = self.prices.get(&CurrencyPair::new(coin, Asset::USD)) else { continue };
                let Some(cross) = rates.convert(in_dollars, currency) else { continue };
                let agreed = self.prices.get(&pair).filter(|agreed| agreed.price.is_some());
                let is_better = |agreed: &AgreedPrice| {
                    uses_index(agreed, votes) && !uses_index(in_dollars, votes) && cross.simulated == agreed.simulated
                };
                if agreed.is_none_or(is_better) {
                    let votes = agreed.map(|agreed| as_unused(&agreed.votes)).unwrap_or_default();
                    self.prices.insert(pair, AgreedPrice { votes, ..cross });
                }
            }
        }
    }

    /// Drops pairs that have neither a price nor votes, except bitcoin in the currencies of orders.
    fn drop_unreported(&mut self, config: &PricingConfig) {
        let order_currencies = config.assets();
        self.prices.retain(|pair, agreed| {
            let reported = agreed.price.is_some() || !agreed.votes.is_empty();
            reported || (order_currencies.contains(&pair.quote) && pair.base == Asset::BTC)
        });
    }

    /// The price of one bitcoin in `currency`.
    pub(crate) fn bitcoin(&self, currency: Currency) -> Option<&AgreedPrice> {
        self.prices.get(&CurrencyPair::new(Asset::BTC, currency.into()))
    }

    /// The record that orders use, with a price for each currency that has one. `None` if no currency has one.
    ///
    /// The time of a record is that of its oldest price. A price that is more than `max_lag` older than the newest one is
    /// left out, because the record would expire with it.
    pub(crate) fn record(&self, currencies: &[Currency], max_lag: Duration) -> Option<NewPriceRecord> {
        let priced = currencies.iter().filter_map(|&currency| {
            let agreed = self.bitcoin(currency)?;
            Some(PricedCurrency { currency, price: agreed.price?, as_of: agreed.as_of?, agreed })
        });
        let mut priced: Vec<_> = priced.collect();
        let newest = priced.iter().map(|priced| priced.as_of).max()?;
        priced.retain(|priced| newest.since(priced.as_of) <= max_lag);
        let price = |priced: &PricedCurrency<'_>| Price { price: priced.price, sources: self.sources(priced.agreed) };
        Some(NewPriceRecord {
            state: PriceState::Fresh,
            as_of: priced.iter().map(|priced| priced.as_of).min()?,
            simulated: priced.iter().any(|priced| priced.agreed.simulated),
            prices: priced.iter().map(|priced| (priced.currency, price(priced))).collect(),
        })
    }

    /// The sources whose votes were used in a price. A converted price has the sources of its first leg.
    fn sources(&self, agreed: &AgreedPrice) -> Vec<String> {
        let voted = agreed.legs.first().and_then(|leg| self.prices.get(leg)).unwrap_or(agreed);
        let used = voted.votes.iter().filter(|vote| vote.used);
        let mut sources: Vec<_> = used.map(|vote| vote.exchanger.clone()).collect();
        sources.sort_unstable();
        sources
    }
}

/// The price of one bitcoin in a currency of the record.
struct PricedCurrency<'a> {
    currency: Currency,
    price: Rate,
    as_of: Timestamp,
    agreed: &'a AgreedPrice,
}

/// Whether the price uses the vote of an index.
fn uses_index(agreed: &AgreedPrice, votes: &[Vote]) -> bool {
    let is_index =
        |cast: &CastVote| votes.iter().any(|vote| vote.kind == CourseKind::Index && vote.source == cast.exchanger);
    agreed.votes.iter().any(|cast| cast.used && is_index(cast))
}

fn as_unused(votes: &[CastVote]) -> Vec<CastVote> {
    let as_unused = |cast: &CastVote| {
        let rejected = cast.rejected.or(Some(Rejection::Unlike));
        CastVote { used: false, rejected, ..cast.clone() }
    };
    votes.iter().map(as_unused).collect()
}

/// Whether a vote is a live price and not an official rate.
fn is_live(vote: &Vote) -> bool {
    vote.kind != CourseKind::Fixing
}

/// Marks simulated votes as ineligible if a real vote counts, so that real and simulated prices are never mixed. Live
/// prices and official rates are checked separately.
fn exclude_simulated_among_real(votes: &[Vote]) -> Vec<Vote> {
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
