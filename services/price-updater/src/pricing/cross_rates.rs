//! Prices in currencies that too few exchanges trade: the price in dollars, converted by the official rate of the
//! dollar.
//!
//! The banks publish different pairs: the European Central Bank the price of a euro, Frankfurter the price of a dollar,
//! and the Bank of Russia the price of each currency in roubles. Therefore the rate of the dollar is computed from the
//! pairs of each bank, and these rates are compared. Frankfurter collects the rates of many central banks, and counts as
//! one bank here. The API calls a pair `direction` and a source `exchanger`.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    api::{
        courses::{AgreedPrice, CourseKind, Method, OfficialLeg, OfficialRate},
        prices::PriceState,
    },
    money::{Asset, CurrencyPair, Rate},
};

use super::{
    agreement::{Vote, without_price},
    arithmetic::{Ratio, Tolerance, unit_rate},
};

/// How far apart the official rates of two banks may be, in thousandths of the lower rate. Normally the rates are of
/// the same day or of two consecutive days. If they differ by more, at least one of them is wrong.
const MAX_SPREAD: i128 = 20;

/// The official rate of the dollar in each currency.
pub(super) struct OfficialRates(BTreeMap<Asset, AcceptedRate>);

/// A rate that most banks confirm, or the rate of the only bank that publishes the currency.
struct AcceptedRate {
    rate: DollarRate,
    /// The largest difference between this rate and the rates of the agreeing banks, in millionths of this rate. `None` if
    /// only one bank publishes a rate.
    spread_millionths: Option<u32>,
}

/// The price of a dollar in one currency, according to one bank.
#[derive(Clone)]
struct DollarRate {
    ratio: Ratio,
    simulated: bool,
    /// The rates from which the ratio is computed, in the order in which they lead from dollars to the currency.
    legs: Vec<OfficialLeg>,
}

/// The official rates of one bank.
struct Bank<'a> {
    name: &'static str,
    rates: BTreeMap<CurrencyPair, &'a Vote>,
}

/// The rates of the dollar in one currency, one for each bank that publishes the currency.
struct Comparison {
    currency: Asset,
    rates: Vec<BankRate>,
}

struct BankRate {
    bank: &'static str,
    rate: DollarRate,
}

impl OfficialRates {
    /// The rates that the banks agree on.
    ///
    /// The banks are tried in the order of the sources. The rate of a currency is the first that agrees with more than half
    /// of all rates of that currency. If no rate does, the currency has no official rate. A rate that only one bank
    /// publishes is accepted if that bank agrees with the majority in at least half of the currencies that other banks
    /// publish too.
    pub(super) fn from_votes(votes: &[Vote]) -> Self {
        let banks = banks(votes);
        let currencies: BTreeSet<_> = banks.iter().flat_map(Bank::currencies).collect();
        let compare = |currency: Asset| {
            let rate = |bank: &Bank<'_>| Some(BankRate { bank: bank.name, rate: bank.dollar_rate(currency)? });
            Comparison { currency, rates: banks.iter().filter_map(rate).collect() }
        };
        let comparisons: Vec<_> = currencies.into_iter().map(compare).collect();
        let accepted = |comparison: &Comparison| {
            if let [only] = &comparison.rates[..]
                && !is_trusted(only.bank, &comparisons)
            {
                return None;
            }
            Some((comparison.currency, comparison.accepted_rate()?))
        };
        Self(comparisons.iter().filter_map(accepted).collect())
    }

    /// The currencies in which the dollar has an official rate.
    pub(super) fn currencies(&self) -> impl Iterator<Item = Asset> {
        self.0.keys().copied()
    }

    /// Converts a price in dollars to `currency`. `None` if there is no price, no official rate, or the result is not a valid
    /// rate.
    ///
    /// The result has the `as_of` time of the price in dollars. The time of the official rate does not count, because the
    /// rate is valid until the bank publishes the next one. `official_day` is the earliest day of the official rates used.
    pub(super) fn convert(&self, in_dollars: &AgreedPrice, currency: Asset) -> Option<AgreedPrice> {
        let DollarRate { ratio, simulated, legs } = &self.0.get(&currency)?.rate;
        Some(AgreedPrice {
            method: Method::Cross,
            price: Some(ratio.convert(in_dollars.price?)?),
            bid: in_dollars.bid.and_then(|bid| ratio.convert(bid)),
            ask: in_dollars.ask.and_then(|ask| ratio.convert(ask)),
            as_of: in_dollars.as_of,
            state: Some(PriceState::Fresh),
            simulated: in_dollars.simulated || *simulated,
            legs: std::iter::once(in_dollars.direction).chain(legs.iter().map(|leg| leg.direction)).collect(),
            official_day: legs.iter().filter_map(|leg| leg.official_day).min(),
            ..without_price(CurrencyPair::new(in_dollars.direction.base, currency), Vec::new())
        })
    }

    /// Converts a price in `currency` to dollars. `None` if there is no official rate or the result is not a valid rate.
    pub(super) fn to_dollars(&self, price: Rate, currency: Asset) -> Option<Rate> {
        let Ratio { numerator, denominator } = self.0.get(&currency)?.rate.ratio;
        Ratio { numerator: denominator, denominator: numerator }.convert(price)
    }

    /// The rates as the market snapshot shows them.
    pub(super) fn into_wire(self) -> Vec<OfficialRate> {
        let to_wire = |(currency, accepted): (Asset, AcceptedRate)| {
            let AcceptedRate { rate: DollarRate { legs, simulated, .. }, spread_millionths } = accepted;
            OfficialRate { currency, legs, spread_millionths, simulated }
        };
        self.0.into_iter().map(to_wire).collect()
    }
}

/// The banks in the order of their first vote.
fn banks(votes: &[Vote]) -> Vec<Bank<'_>> {
    let mut banks: Vec<Bank<'_>> = Vec::new();
    for vote in votes.iter().filter(|vote| vote.kind == CourseKind::Fixing && vote.ineligible.is_none()) {
        let index = banks.iter().position(|bank| bank.name == vote.source).unwrap_or_else(|| {
            banks.push(Bank { name: vote.source, rates: BTreeMap::new() });
            banks.len() - 1
        });
        banks[index].rates.insert(vote.pair, vote);
    }
    banks
}

impl Bank<'_> {
    fn currencies(&self) -> BTreeSet<Asset> {
        self.rates.keys().flat_map(|pair| [pair.base, pair.quote]).collect()
    }

    /// The price of a dollar in `currency`: directly, through euros, or through roubles.
    fn dollar_rate(&self, currency: Asset) -> Option<DollarRate> {
        let vote = |base: Asset, quote: Asset| self.rates.get(&CurrencyPair::new(base, quote)).copied();
        if currency == Asset::USD {
            return None;
        }
        if let Some(direct) = vote(Asset::USD, currency) {
            return Some(DollarRate::from_legs(Some(direct), None));
        }
        if let Some(dollars_per_euro) = vote(Asset::EUR, Asset::USD) {
            let units_per_euro = vote(Asset::EUR, currency);
            let is_known = currency == Asset::EUR || units_per_euro.is_some();
            return is_known.then(|| DollarRate::from_legs(units_per_euro, Some(dollars_per_euro)));
        }
        let (roubles_per_dollar, roubles_per_unit) = (vote(Asset::USD, Asset::RUB)?, vote(currency, Asset::RUB)?);
        Some(DollarRate::from_legs(Some(roubles_per_dollar), Some(roubles_per_unit)))
    }
}

impl DollarRate {
    /// The quotient of two rates. A missing rate is 1.
    fn from_legs(numerator: Option<&Vote>, denominator: Option<&Vote>) -> Self {
        let rate = |vote: Option<&Vote>| vote.map_or_else(unit_rate, |vote| vote.value);
        let multiplied = numerator.map(|vote| official_leg(vote, false));
        let divided = denominator.map(|vote| official_leg(vote, true));
        // The leg that converts from dollars comes first. This is the divided leg if its pair is quoted in dollars, such as
        // EUR-USD. Otherwise the multiplied leg comes first.
        let legs = match &divided {
            Some(leg) if leg.direction.quote == Asset::USD => [divided, multiplied],
            _ => [multiplied, divided],
        };
        Self {
            ratio: Ratio { numerator: rate(numerator), denominator: rate(denominator) },
            simulated: [numerator, denominator].into_iter().flatten().any(|vote| vote.simulated),
            legs: legs.into_iter().flatten().collect(),
        }
    }

    fn value(&self) -> Option<Rate> {
        self.ratio.convert(unit_rate())
    }

    fn agrees_with(&self, other: &Self) -> bool {
        self.value().zip(other.value()).is_some_and(|(value, other)| {
            Tolerance { center: value.min(other), per_mille: MAX_SPREAD }.contains(value.max(other))
        })
    }
}

fn official_leg(vote: &Vote, inverse: bool) -> OfficialLeg {
    let &Vote { source, pair, value, observed_at, official_day, .. } = vote;
    OfficialLeg { exchanger: source.to_owned(), direction: pair, price: value, inverse, observed_at, official_day }
}

impl Comparison {
    fn accepted_rate(&self) -> Option<AcceptedRate> {
        let rate = self.majority_rate()?;
        let value = rate.value()?;
        let agreeing = self.rates.iter().filter(|other| rate.agrees_with(&other.rate));
        let distance = |other: &BankRate| u32::try_from(value.distance_millionths(other.rate.value()?)).ok();
        let spread = agreeing.filter_map(distance).max();
        Some(AcceptedRate { rate: rate.clone(), spread_millionths: spread.filter(|_| self.rates.len() > 1) })
    }

    /// The first rate that agrees with more than half of all rates, itself included.
    fn majority_rate(&self) -> Option<&DollarRate> {
        let agreeing = |rate: &DollarRate| self.rates.iter().filter(|other| rate.agrees_with(&other.rate)).count();
        self.rates.iter().map(|bank| &bank.rate).find(|rate| agreeing(rate) * 2 > self.rates.len())
    }
}

/// Whether a bank agrees with the majority in at least half of the currencies that other banks publish too. A bank that agrees
/// less often probably has a fault that affects its other rates as well, such as a wrong rate of the dollar.
fn is_trusted(bank: &str, comparisons: &[Comparison]) -> bool {
    let (mut compared, mut agreed) = (0, 0);
    for comparison in comparisons.iter().filter(|comparison| comparison.rates.len() > 1) {
        if let Some(own) = comparison.rates.iter().find(|rate| rate.bank == bank) {
            compared += 1;
            agreed += usize::from(comparison.majority_rate().is_some_and(|rate| own.rate.agrees_with(rate)));
        }
    }
    agreed * 2 >= compared
}

#[cfg(test)]
mod tests;
