//! Prices in currencies that no exchange trades: what it costs in dollars, by the official rate of the dollar. Pure.
//!
//! Every bank tells its rates in a way of its own: the European Central BankRates what a euro costs, Frankfurter what a dollar
//! does, and the BankRates of Russia what anything costs in roubles. No direction is told by two of them, so what is compared is
//! what each makes of a dollar in a currency.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    api::courses::{AgreedPrice, CourseKind, Method},
    money::{Asset, CurrencyPair, Rate},
};

use super::{
    agreement::{Vote, unpriced},
    arithmetic::{scaled, within},
};

/// How far apart, in thousandths of the lower one, the official rates of two banks may be. They are of one day or of two that
/// follow each other; where they are farther apart, one of them is wrong.
const SPREAD: i128 = 20;

/// What a dollar costs in each currency that there is an official rate of.
pub(crate) struct OfficialRates(BTreeMap<Asset, DollarRate>);

/// What a dollar costs by one bank: `times / by`, and the directions that it is taken from.
#[derive(Clone)]
struct DollarRate {
    times: Rate,
    by: Rate,
    simulated: bool,
    legs: Vec<CurrencyPair>,
}

/// The official rates of one bank.
#[derive(Default)]
struct BankRates<'a>(BTreeMap<CurrencyPair, &'a Vote>);

impl OfficialRates {
    /// What the banks agree on. Each currency has the rate of the first bank that was configured of those that more than half
    /// of them agree with; and none where there is no such bank, as where two contradict each other. What a single one tells is
    /// believed where the others bear it out in most of what they tell too.
    pub(crate) fn of(votes: &[Vote]) -> Self {
        let mut banks: Vec<(&'static str, BankRates<'_>)> = Vec::new();
        for vote in votes.iter().filter(|vote| vote.kind == CourseKind::Fixing && vote.ineligible.is_none()) {
            let place = banks.iter().position(|(source, _)| *source == vote.source).unwrap_or_else(|| {
                banks.push((vote.source, BankRates::default()));
                banks.len() - 1
            });
            banks[place].1.0.insert(vote.told, vote);
        }
        let currencies: BTreeSet<_> = banks.iter().flat_map(|(_, bank)| bank.currencies()).collect();
        let told = currencies.into_iter().map(|currency| {
            let by = banks.iter().filter_map(|(source, bank)| Some((*source, bank.dollar(currency)?)));
            (currency, by.collect::<Vec<_>>())
        });
        let told: Vec<_> = told.collect();
        let agreed = told.iter().filter_map(|(currency, by)| {
            let alone = |by: &Told| by.len() == 1 && !is_corroborated(by[0].0, &told);
            let dollar = majority_rate(by).filter(|_| !alone(by))?;
            Some((*currency, dollar.clone()))
        });
        Self(agreed.collect())
    }

    /// The currencies that a dollar has an official rate in.
    pub(crate) fn currencies(&self) -> impl Iterator<Item = Asset> {
        self.0.keys().copied()
    }

    /// The price in `currency`, of one in dollars.
    ///
    /// It is as old as the one in dollars: an official rate holds until the next one.
    pub(crate) fn cross(&self, in_dollars: &AgreedPrice, currency: Asset) -> Option<AgreedPrice> {
        let dollar = self.0.get(&currency)?;
        let convert = |rate: Rate| scaled(rate, dollar.times, dollar.by);
        Some(AgreedPrice {
            method: Method::Cross,
            price: Some(convert(in_dollars.price?)?),
            bid: in_dollars.bid.and_then(convert),
            ask: in_dollars.ask.and_then(convert),
            as_of: in_dollars.as_of,
            simulated: in_dollars.simulated || dollar.simulated,
            legs: std::iter::once(in_dollars.direction).chain(dollar.legs.iter().copied()).collect(),
            ..unpriced(CurrencyPair::new(in_dollars.direction.base, currency), Vec::new())
        })
    }
}

impl BankRates<'_> {
    fn currencies(&self) -> BTreeSet<Asset> {
        self.0.keys().flat_map(|direction| [direction.base, direction.quote]).collect()
    }

    /// As the bank tells it, or through the currency that it tells everything in: euros or roubles.
    fn dollar(&self, currency: Asset) -> Option<DollarRate> {
        let get = |base: Asset, quote: Asset| self.0.get(&CurrencyPair::new(base, quote)).copied();
        let dollar = |times: Option<&Vote>, by: Option<&Vote>| {
            let one = Rate::from_hundred_millionths(100_000_000).ok()?;
            let rate = |vote: Option<&Vote>| vote.map_or(one, |vote| vote.value);
            let (rates, legs) = ((rate(times), rate(by)), [times, by].into_iter().flatten());
            let simulated = legs.clone().any(|vote| vote.simulated);
            Some(DollarRate { times: rates.0, by: rates.1, simulated, legs: legs.map(|vote| vote.told).collect() })
        };
        if currency == Asset::USD {
            return None;
        }
        if let Some(direct) = get(Asset::USD, currency) {
            return dollar(Some(direct), None);
        }
        if let Some(euro) = get(Asset::EUR, Asset::USD) {
            let times = get(Asset::EUR, currency);
            return if currency == Asset::EUR || times.is_some() { dollar(times, Some(euro)) } else { None };
        }
        dollar(Some(get(Asset::USD, Asset::RUB)?), Some(get(currency, Asset::RUB)?))
    }
}

impl DollarRate {
    fn rate(&self) -> Option<Rate> {
        let one = Rate::from_hundred_millionths(100_000_000).ok()?;
        scaled(one, self.times, self.by)
    }

    fn agrees_with(&self, other: &Self) -> bool {
        let both = self.rate().zip(other.rate());
        both.is_some_and(|(one, other)| within(SPREAD, one.min(other), one.max(other)))
    }
}

/// What each bank makes of a dollar in one currency.
type Told = Vec<(&'static str, DollarRate)>;

/// The first that more than half of all agree with, itself among them.
fn majority_rate(told: &Told) -> Option<&DollarRate> {
    let agreeing = |one: &DollarRate| told.iter().filter(|(_, other)| one.agrees_with(other)).count();
    told.iter().map(|(_, one)| one).find(|one| agreeing(one) * 2 > told.len())
}

/// Whether a bank is believed in at least half of the currencies that others tell too: one that is not has a fault that what
/// it alone tells has as well, such as a dollar that is another currency.
fn is_corroborated(bank: &str, told: &[(Asset, Told)]) -> bool {
    let (mut compared, mut agreed) = (0, 0);
    for (_, by) in told.iter().filter(|(_, by)| by.len() > 1) {
        if let Some((_, own)) = by.iter().find(|(source, _)| *source == bank) {
            compared += 1;
            agreed += usize::from(majority_rate(by).is_some_and(|dollar| own.agrees_with(dollar)));
        }
    }
    agreed * 2 >= compared
}

#[cfg(test)]
mod tests;
