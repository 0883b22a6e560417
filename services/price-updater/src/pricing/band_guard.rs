//! Withholds implausible prices.
//!
//! The agreement of a majority does not prove a price: most exchanges can be wrong in the same way, for example if they
//! share a market maker, or if an attacker controls them. An implausible price is *withheld*: it is not used until it is
//! accepted or is plausible again. A price is implausible in three cases:
//!
//! * The price differs from the last accepted price of its pair by more than the band.
//! * More sources contradict the price than support it. A source contradicts a price by reporting a price outside the band.
//!   The sources are the exchanges, the indices, and the price that follows from another currency by official rates.
//! * The price is converted from a price that is withheld.
//!
//! A withheld price is accepted when all of these conditions are met:
//!
//! * The price has lasted for the configured number of publish intervals. A withheld price lasts as long as each new price is
//!   within the band around the previous price. If a price falls in several steps, steps within the band do not restart the
//!   count.
//! * Independent sources confirm the price. If indices that did not vote on the price report the pair, one of them must
//!   confirm the price. If no such index reports the pair, at least three voters must agree, and no source of their
//!   kind and no official rate may contradict the price. If fewer than three sources of their kind report the pair, all
//!   of them must agree. The voters are exchanges, or indices if too few exchanges vote.
//! * At least as many sources support the price as contradict it, and the price is not converted from a price that is withheld.
//!
//! `docs/adr/0012-implausible-prices.md` explains the choice.

mod evidence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use common::{
    api::courses::Method,
    money::{Asset, Currency, CurrencyPair, Rate},
    time::Timestamp,
};

use self::evidence::{Evidence, EvidenceSources};
use super::{
    agreement::Vote,
    arithmetic::Tolerance,
    market::{GoodPrice, MarketPrices, ObservedPrice, is_used_by_orders},
};

/// How far a price may move, and how long a larger move must last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BandConfig {
    /// The largest plausible change, in percent.
    pub(crate) percent: i128,
    /// Percentages that replace `percent` for single currencies.
    pub(crate) percent_by_currency: BTreeMap<Currency, i128>,
    /// How many publish intervals a larger change must last.
    pub(crate) intervals: u64,
}

impl BandConfig {
    /// The band of prices in the quote currency of `pair`.
    fn band(&self, pair: CurrencyPair) -> Band {
        let by_currency =
            pair.quote.to_currency().and_then(|currency| self.percent_by_currency.get(&currency).copied());
        let percent = by_currency.unwrap_or(self.percent);
        Band { per_mille: percent * 10 }
    }
}

/// The largest plausible change of the price of one pair.
#[derive(Debug, Clone, Copy)]
struct Band {
    per_mille: i128,
}

impl Band {
    fn contains(self, center: Rate, rate: Rate) -> bool {
        Tolerance { center, per_mille: self.per_mille }.contains(rate)
    }
}

/// A change in the state of the price of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GuardChange {
    /// The price has become implausible and is not used.
    Withheld,
    /// The implausible price has lasted, and independent sources confirm it.
    Accepted,
    /// The price is plausible again.
    PlausibleAgain,
}

/// A [`GuardChange`] of the price of one pair, with the sources for and against the price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardEvent {
    pub(crate) pair: CurrencyPair,
    pub(crate) change: GuardChange,
    pub(crate) price: Rate,
    /// The last accepted price. `None` if no price was accepted before.
    pub(crate) accepted: Option<Rate>,
    /// The sources that support `price`.
    pub(crate) supporting: Vec<String>,
    pub(crate) contradicting: Vec<String>,
}

/// The poll that is checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardPoll {
    pub(crate) now: Timestamp,
    /// An accepted price that was observed at this time or earlier is too old to compare. While a price of the pair is withheld,
    /// the accepted price is compared regardless of its age.
    pub(crate) since: Timestamp,
    /// Whether a price is published after this poll. Only such polls count towards [`BandConfig::intervals`].
    pub(crate) publishes: bool,
}

/// The accepted and the withheld price of each pair.
#[derive(Debug, Default)]
pub(crate) struct BandGuard(BTreeMap<CurrencyPair, GuardState>);

#[derive(Debug, Default)]
struct GuardState {
    accepted: Option<ObservedPrice>,
    withheld: Option<WithheldPrice>,
}

#[derive(Debug, Clone, Copy)]
struct WithheldPrice {
    /// The newest implausible price.
    newest: ObservedPrice,
    /// How many publish intervals the implausible price has lasted.
    intervals: u64,
    reasons: Reasons,
}

/// Why a price is implausible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reasons {
    /// The last accepted price, if the price is outside the band around it.
    far_from: Option<Rate>,
    /// Whether more sources contradict the price than support it.
    is_contradicted: bool,
    /// The pair of the withheld price that the price is converted from.
    withheld_leg: Option<CurrencyPair>,
}

impl Reasons {
    const NONE: Self = Self { far_from: None, is_contradicted: false, withheld_leg: None };
}

/// A price to check.
struct Candidate<'a> {
    price: ObservedPrice,
    band: Band,
    evidence: &'a Evidence,
    /// The pair of the withheld price that the price is converted from.
    withheld_leg: Option<CurrencyPair>,
    /// See [`BandConfig::intervals`].
    intervals: u64,
    poll: GuardPoll,
}

impl GuardState {
    /// Accepts or withholds the price, and returns what has changed. If the price is withheld, `withheld` contains it afterwards.
    fn accept_or_withhold(&mut self, candidate: &Candidate<'_>) -> Option<GuardChange> {
        let &Candidate { price, band, evidence, withheld_leg, intervals, poll } = candidate;
        // Simulated and real prices are not compared.
        self.withheld.take_if(|withheld| withheld.newest.simulated != price.simulated);
        let is_comparable = |accepted: &ObservedPrice| accepted.simulated == price.simulated;
        let is_recent = |accepted: &ObservedPrice| self.withheld.is_some() || accepted.as_of > poll.since;
        let accepted = self.accepted.filter(is_comparable).filter(is_recent);
        let far_from =
            accepted.map(|accepted| accepted.price).filter(|accepted| !band.contains(*accepted, price.price));
        let reasons = Reasons { far_from, is_contradicted: evidence.contradicts(), withheld_leg };
        if reasons == Reasons::NONE {
            let was_withheld = self.withheld.take().is_some();
            if poll.publishes {
                self.accepted = Some(price);
            }
            return was_withheld.then_some(GuardChange::PlausibleAgain);
        }
        let is_new = self.withheld.is_none();
        let before = self.withheld.filter(|withheld| band.contains(withheld.newest.price, price.price));
        let lasted = before.map_or(0, |withheld| withheld.intervals) + u64::from(poll.publishes);
        let only_differs = reasons == Reasons { far_from, ..Reasons::NONE };
        if poll.publishes && lasted >= intervals && only_differs && evidence.confirms() {
            *self = Self { accepted: Some(price), withheld: None };
            return Some(GuardChange::Accepted);
        }
        self.withheld = Some(WithheldPrice { newest: price, intervals: lasted, reasons });
        is_new.then_some(GuardChange::Withheld)
    }
}

impl BandGuard {
    /// Continues with the prices that another instance or an earlier run has published, if they are newer than the accepted
    /// prices.
    pub(crate) fn resume_from<'a>(&mut self, prices: impl IntoIterator<Item = (Currency, &'a GoodPrice)>) {
        for (currency, price) in prices {
            let state = self.0.entry(CurrencyPair::new(Asset::BTC, currency.into())).or_default();
            if state.accepted.is_none_or(|accepted| accepted.as_of < price.as_of) {
                state.accepted = Some(price.into());
            }
        }
    }

    /// Removes the implausible prices from `market`, and returns the changes. `currencies` are the currencies of
    /// orders.
    ///
    /// A price that is converted by official rates is checked only if orders use it. Other converted prices are removed
    /// together with the price that they are converted from.
    pub(crate) fn check(
        &mut self,
        market: &mut MarketPrices,
        votes: &[Vote],
        currencies: &[Currency],
        config: &BandConfig,
        poll: GuardPoll,
    ) -> Vec<GuardEvent> {
        let sources = EvidenceSources::new(votes, currencies, poll.now);
        let (mut withheld, mut events) = (BTreeMap::new(), Vec::new());
        // A converted price depends on another price, so the converted prices are checked last.
        let direct = market.prices.values().filter(|agreed| agreed.method == Method::Median);
        let converted = market.prices.values().filter(|agreed| agreed.method == Method::Cross);
        let used = converted.filter(|agreed| is_used_by_orders(agreed.direction, currencies));
        for agreed in direct.chain(used) {
            let (pair, Some(price), Some(as_of)) = (agreed.direction, agreed.price, agreed.as_of) else { continue };
            let band = config.band(pair);
            let evidence = sources.evidence(market, agreed, price, band);
            let state = self.0.entry(pair).or_default();
            let accepted = state.accepted.map(|accepted| accepted.price);
            let change = state.accept_or_withhold(&Candidate {
                price: ObservedPrice { price, as_of, simulated: agreed.simulated },
                band,
                evidence: &evidence,
                withheld_leg: agreed.legs.first().copied().filter(|leg| withheld.contains_key(leg)),
                intervals: config.intervals,
                poll,
            });
            if let Some(waiting) = state.withheld {
                withheld.insert(pair, describe(&waiting, &evidence, config.intervals));
            }
            if let Some(change) = change {
                let Evidence { supporting, contradicting, .. } = evidence;
                events.push(GuardEvent { pair, change, price, accepted, supporting, contradicting });
            }
        }
        for (pair, reason) in withheld {
            market.withhold(pair, &reason);
        }
        events
    }
}

/// Why the price is withheld. The price must last for `needed` publish intervals.
fn describe(withheld: &WithheldPrice, evidence: &Evidence, needed: u64) -> String {
    let &WithheldPrice { newest: ObservedPrice { price, .. }, intervals: lasted, reasons } = withheld;
    let Reasons { far_from, is_contradicted, withheld_leg } = reasons;
    let difference = far_from.map(|accepted| {
        format!("{price} differs from the last accepted price {accepted} by {}", percent_change(accepted, price))
    });
    let contradiction = is_contradicted.then(|| format!("more sources contradict {price} than support it"));
    let leg = withheld_leg.map(|leg| format!("{price} is converted from the price of {leg}, which is withheld"));
    let reasons: Vec<_> = [difference, contradiction, leg].into_iter().flatten().collect();
    let names = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!(
        "implausible: {}; supported by {}, contradicted by {}; it is not used until it has lasted for {needed} publish \
         intervals ({lasted} so far) and independent sources confirm it",
        reasons.join(", and "),
        names(&evidence.supporting),
        names(&evidence.contradicting),
    )
}

/// The change from one price to another in percent, rounded toward zero, such as `-60 %`.
pub(crate) fn percent_change(from: Rate, to: Rate) -> String {
    let [from, to] = [from, to].map(|rate| i128::from(rate.hundred_millionths()));
    format!("{:+} %", (to - from) * 100 / from.max(1))
}
