//! Computes the price of every pair from all votes of one poll interval. The API calls a pair `direction` and a source
//! `exchanger`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    api::{
        courses::{AgreedPrice, CastVote, CourseKind, Method, OfficialRate, Rejection},
        prices::{CurrencyPrice, PriceState},
    },
    money::{Asset, Currency, CurrencyPair, Rate},
    time::{Timestamp, format_time},
};

use super::{
    agreement::{AgreementRules, Vote, agree_on_price, without_price},
    cross_rates::OfficialRates,
};

/// The coins that are priced.
const COINS: [Asset; 3] = [Asset::BTC, Asset::ETH, Asset::USDT];
/// Currencies in which every coin is priced. Further currencies are those of orders, those in which a source reports a
/// price, and those with an official rate.
const BASE_CURRENCIES: [Asset; 3] = [Asset::EUR, Asset::GBP, Asset::USD];

/// Which pairs are priced, and the rules of agreement.
#[derive(Debug, Clone)]
pub(crate) struct PricingConfig {
    /// The currencies of the price record that orders use.
    pub(crate) currencies: Vec<Currency>,
    pub(crate) rules: AgreementRules,
    /// The pairs that enough exchanges trade to agree on a price. An exchange counts even if it currently reports no
    /// price.
    pub(crate) traded: BTreeSet<CurrencyPair>,
}

impl PricingConfig {
    fn assets(&self) -> BTreeSet<Asset> {
        self.currencies.iter().map(|&currency| Asset::from(currency)).collect()
    }
}

/// The last agreed price of each pair.
#[derive(Debug, Default)]
pub(crate) struct PriceHistory(BTreeMap<CurrencyPair, ObservedPrice>);

/// A past price, with which a later price is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObservedPrice {
    pub(super) price: Rate,
    pub(super) as_of: Timestamp,
    pub(super) simulated: bool,
}

impl From<&GoodPrice> for ObservedPrice {
    fn from(&GoodPrice { price, as_of, simulated, .. }: &GoodPrice) -> Self {
        Self { price, as_of, simulated }
    }
}

impl PriceHistory {
    pub(crate) fn record(&mut self, market: &MarketPrices) {
        let agreed = market.prices.values().filter(|agreed| agreed.method == Method::Median);
        self.0.extend(agreed.filter_map(|agreed| {
            let past = ObservedPrice { price: agreed.price?, as_of: agreed.as_of?, simulated: agreed.simulated };
            Some((agreed.direction, past))
        }));
    }

    /// Adds the agreed prices that another instance or an earlier run has published. A pair that already has a price keeps it.
    /// Converted prices are skipped, as in [`record`](Self::record).
    pub(crate) fn resume_from<'a>(&mut self, prices: impl IntoIterator<Item = (Currency, &'a GoodPrice)>) {
        for (currency, price) in prices.into_iter().filter(|(_, price)| price.legs.is_empty()) {
            let pair = CurrencyPair::new(Asset::BTC, currency.into());
            self.0.entry(pair).or_insert(price.into());
        }
    }

    /// The last price of `pair`, if it was observed after `since`. Simulated prices are not compared with real ones.
    fn reference(&self, pair: CurrencyPair, simulated: bool, since: Timestamp) -> Option<Rate> {
        let past = self.0.get(&pair).filter(|past| past.simulated == simulated && past.as_of > since);
        past.map(|past| past.price)
    }
}

/// A price of bitcoin that orders can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoodPrice {
    pub(crate) price: Rate,
    pub(crate) sources: Vec<String>,
    /// The pairs that a converted price is computed from. Empty if the votes agree on the price itself.
    pub(crate) legs: Vec<CurrencyPair>,
    pub(crate) as_of: Timestamp,
    pub(crate) simulated: bool,
}

/// A published price of bitcoin, or the last good price after its expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PriceInUse {
    pub(crate) price: CurrencyPrice,
    pub(crate) simulated: bool,
}

impl GoodPrice {
    /// The message that this price is too old to be used.
    pub(crate) fn too_old(&self) -> String {
        let observed = format_time(self.as_of);
        format!("the sources agree only on a price that is too old: it was observed at {observed}")
    }
}

/// The outcome for one currency of orders in one poll interval. The texts state the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PriceOutcome {
    Agreed(GoodPrice),
    /// There is no price: the sources agree on none, or the agreed price is too old.
    Missing(String),
    /// The sources agree on a price that is implausible; see [`BandGuard`](super::BandGuard).
    Withheld(String),
}

impl PriceOutcome {
    pub(crate) fn agreed(&self) -> Option<&GoodPrice> {
        match self {
            Self::Agreed(price) => Some(price),
            Self::Missing(_) | Self::Withheld(_) => None,
        }
    }
}

/// The price of each pair in one poll interval. Includes pairs that have votes but no price.
#[derive(Debug, Clone, Default)]
pub(crate) struct MarketPrices {
    pub(crate) prices: BTreeMap<CurrencyPair, AgreedPrice>,
    /// The official rate of the dollar in each currency.
    pub(crate) official: Vec<OfficialRate>,
    /// The pairs whose price is withheld as implausible.
    withheld: BTreeSet<CurrencyPair>,
}

impl MarketPrices {
    /// Computes the price of every pair from the votes. The last price of a pair in `history` is its reference if it was
    /// observed after `since`.
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
        Self { prices: prices.collect(), ..Self::default() }
    }

    /// Adds prices that are converted from dollars by official rates.
    ///
    /// Orders never use a converted price in a pair that enough exchanges trade, even if these exchanges contradict each
    /// other. In other pairs, a price that is converted from the price of exchanges replaces the price of an index, because
    /// exchanges report prices in dollars every few seconds and an index can be a minute old. The converted price is used
    /// even if the index is newer, so that the price does not alternate between exchanges and index.
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
        self.official = rates.into_wire();
    }

    /// Drops pairs that have neither a price nor votes, except bitcoin in the currencies of orders.
    fn drop_unreported(&mut self, config: &PricingConfig) {
        self.prices.retain(|&pair, agreed| {
            let reported = agreed.price.is_some() || !agreed.votes.is_empty();
            reported || is_used_by_orders(pair, &config.currencies)
        });
    }

    /// The price of one bitcoin in `currency`.
    pub(crate) fn bitcoin(&self, currency: Currency) -> Option<&AgreedPrice> {
        self.prices.get(&CurrencyPair::new(Asset::BTC, currency.into()))
    }

    /// The outcome for each of `currencies`.
    ///
    /// A price is not used if it is more than `max_lag` older than the newest price of these currencies: it would
    /// expire soon after its publication.
    pub(crate) fn outcomes(&self, currencies: &[Currency], max_lag: Duration) -> BTreeMap<Currency, PriceOutcome> {
        let times = currencies.iter().filter_map(|&currency| self.bitcoin(currency)?.as_of);
        let newest = times.max();
        let outcome = |&currency: &Currency| {
            let agreed = self.bitcoin(currency);
            let outcome = match agreed.and_then(|agreed| self.good_price(agreed)) {
                Some(price) if newest.is_some_and(|newest| newest.since(price.as_of) > max_lag) => {
                    PriceOutcome::Missing(price.too_old())
                }
                Some(price) => PriceOutcome::Agreed(price),
                None => {
                    let reason = agreed.and_then(|agreed| agreed.refused.clone());
                    let reason = reason.unwrap_or_else(|| "no source reports a price".to_owned());
                    if self.withheld.contains(&CurrencyPair::new(Asset::BTC, currency.into())) {
                        PriceOutcome::Withheld(reason)
                    } else {
                        PriceOutcome::Missing(reason)
                    }
                }
            };
            (currency, outcome)
        };
        currencies.iter().map(outcome).collect()
    }

    fn good_price(&self, agreed: &AgreedPrice) -> Option<GoodPrice> {
        let (price, as_of) = (agreed.price?, agreed.as_of?);
        let (sources, legs) = (self.sources(agreed), agreed.legs.clone());
        Some(GoodPrice { price, sources, legs, as_of, simulated: agreed.simulated })
    }

    /// Removes the price of `pair`, and every price that is converted from it. The votes stay, and no source counts as
    /// an outlier, because it is not known which sources are wrong.
    pub(super) fn withhold(&mut self, pair: CurrencyPair, reason: &str) {
        self.withheld.insert(pair);
        for agreed in self.prices.values_mut() {
            if agreed.direction == pair || agreed.legs.first() == Some(&pair) {
                let votes = std::mem::take(&mut agreed.votes).into_iter().map(|vote| CastVote {
                    used: false,
                    rejected: vote.rejected.filter(|why| *why != Rejection::Outlier),
                    ..vote
                });
                let withdrawn = without_price(agreed.direction, votes.collect());
                *agreed = AgreedPrice { method: agreed.method, refused: Some(reason.to_owned()), ..withdrawn };
            }
        }
    }

    /// Replaces the price of one bitcoin in `currency` by `in_use`. The votes stay in the list and are marked as unused.
    pub(crate) fn show_price_in_use(&mut self, currency: Currency, in_use: PriceInUse, now: Timestamp) {
        let PriceInUse {
            price: CurrencyPrice { price, state, as_of, expires_at, prolongable_until, legs, .. },
            simulated,
        } = in_use;
        let pair = CurrencyPair::new(Asset::BTC, currency.into());
        let votes = self.prices.get(&pair).map(|agreed| as_unused(&agreed.votes)).unwrap_or_default();
        let shown = AgreedPrice {
            method: if legs.is_empty() { Method::Median } else { Method::Cross },
            price: Some(price),
            as_of: Some(as_of),
            state: Some(state),
            expires_at: Some(expires_at),
            prolongable_until,
            age_secs: (state == PriceState::Prolonged).then(|| now.since(as_of).as_secs()),
            simulated,
            legs,
            ..without_price(pair, votes)
        };
        self.prices.insert(pair, shown);
    }

    /// The price whose votes led to `agreed`: the price of the first leg if `agreed` is converted, and `agreed` otherwise.
    pub(super) fn voted<'a>(&'a self, agreed: &'a AgreedPrice) -> &'a AgreedPrice {
        agreed.legs.first().and_then(|leg| self.prices.get(leg)).unwrap_or(agreed)
    }

    /// The sources whose votes were used in a price.
    pub(super) fn sources(&self, agreed: &AgreedPrice) -> Vec<String> {
        self.voted(agreed).used_sources()
    }
}

/// Whether orders use the price of `pair`. `currencies` are the currencies of orders.
pub(crate) fn is_used_by_orders(pair: CurrencyPair, currencies: &[Currency]) -> bool {
    pair.base == Asset::BTC && currencies.iter().any(|&currency| pair.quote == Asset::from(currency))
}

/// Whether the price uses the vote of an index.
fn uses_index(agreed: &AgreedPrice, votes: &[Vote]) -> bool {
    let is_index =
        |cast: &CastVote| votes.iter().any(|vote| vote.kind == CourseKind::Index && vote.source == cast.exchanger);
    agreed.votes.iter().any(|cast| cast.used && is_index(cast))
}

/// The votes, marked as unused. A vote without a reason for its rejection gets the reason `OtherKind`.
fn as_unused(votes: &[CastVote]) -> Vec<CastVote> {
    let as_unused = |cast: &CastVote| {
        let rejected = cast.rejected.or(Some(Rejection::OtherKind));
        CastVote { used: false, rejected, ..cast.clone() }
    };
    votes.iter().map(as_unused).collect()
}

/// Whether a vote is a live price and not an official rate.
fn is_live(vote: &Vote) -> bool {
    vote.kind != CourseKind::Fixing
}

/// Marks simulated votes as ineligible if a real vote is eligible, so that real and simulated prices are never mixed. Live
/// prices and official rates are checked separately.
pub(super) fn exclude_simulated_among_real(votes: &[Vote]) -> Vec<Vote> {
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
