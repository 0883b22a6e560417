//! Computes one price from the votes of several sources. The rules limit the effect of a faulty minority.
//!
//! `docs/adr/0005-agreed-price.md` explains the rules. In short: each source has one vote, its live ticker. A price in
//! USDT is converted to dollars. Indices vote only if too few exchanges do. Official rates never vote. The price is the
//! median of the votes that agree, clamped to [`Bounds`](bounds::Bounds). A price needs a majority, or half of the
//! votes if the last agreed price confirms them.

mod bounds;
mod selection;
mod tally;
#[cfg(test)]
mod tests;

use common::{
    api::{
        courses::{AgreedPrice, CastVote, CourseKind, Method, Rejection},
        prices::PriceState,
    },
    money::{CurrencyPair, Rate},
    time::{Day, Timestamp},
};

use self::{
    selection::{VoterSelection, select_voters, usdt_rates},
    tally::{Agreement, CountedVote, Tally, Voters, tally},
};
use super::arithmetic::median;
use crate::sources::BidAsk;

/// The conditions for an agreement on a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgreementRules {
    /// Minimum number of sources that must agree on a price.
    pub(crate) min_sources: usize,
    /// Maximum distance of an agreeing vote from the center, in percent of the center. The center is the median of the
    /// counted votes, clamped to the bounds. If no majority is near this median, the center is the last agreed price.
    pub(crate) max_spread_percent: i128,
}

/// The price that one source reports for one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) source: &'static str,
    pub(crate) kind: CourseKind,
    pub(crate) pair: CurrencyPair,
    /// The middle of bid and ask, or the last price if the source reports no bid and ask.
    pub(crate) value: Rate,
    pub(crate) bid_ask: Option<BidAsk>,
    pub(crate) observed_at: Timestamp,
    pub(crate) simulated: bool,
    /// Why the vote is ineligible. An eligible vote can be rejected later.
    pub(crate) ineligible: Option<Rejection>,
    /// Whether the vote is ineligible because of a suspected freeze: its price is unchanged, and only a minority of the
    /// exchanges has moved. The source counts as a voter, so that the minority alone cannot determine the price.
    pub(crate) freeze_suspected: bool,
    /// The day for which a bank publishes an official rate. `None` for other prices.
    pub(crate) official_day: Option<Day>,
}

/// Why there is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAgreement {
    #[error("{} on a price; at least {needed} must agree", if *agreeing == 1 { "1 source agrees".to_owned() } else { format!("{agreeing} sources agree") })]
    NotEnough { agreeing: usize, needed: usize },
    #[error("the prices of {voters} sources are too far apart")]
    Contradicting { voters: usize },
    #[error("{unconverted} of {voters} prices cannot be converted to dollars; too few remain for a majority")]
    Unconverted { unconverted: usize, voters: usize },
    #[error(
        "the prices of {frozen} of {voters} sources do not change while others move; too few remain for a majority"
    )]
    Frozen { frozen: usize, voters: usize },
}

/// Computes the agreed price of `pair`. The result lists the votes considered for this pair, even if there is no price.
///
/// `reference` is the last agreed price. It does not vote. If no majority agrees, half of the voters suffice if they agree
/// on a price near `reference`, for example if one of two sources is faulty.
pub(crate) fn agree_on_price(
    pair: CurrencyPair,
    votes: &[Vote],
    rules: AgreementRules,
    reference: Option<Rate>,
) -> AgreedPrice {
    let VoterSelection { voters, frozen, excluded } = select_voters(pair, votes, rules);
    let any_in_usdt = voters.iter().any(|voter| voter.pair != pair);
    let usdt = if any_in_usdt { usdt_rates(votes) } else { Vec::new() };
    let Tally { counted, unconverted, result } =
        tally(pair, Voters { votes: &voters, frozen }, &usdt, rules, reference);

    let mut cast: Vec<_> =
        excluded.iter().map(|excluded| cast_vote(&excluded.vote, None, Some(excluded.why))).collect();
    cast.extend(unconverted.iter().map(|vote| cast_vote(vote, None, Some(Rejection::NoConversion))));
    let used = result.as_ref().map_or(&[][..], |agreement| &agreement.used);
    for counted in &counted {
        let is_outlier = result.is_ok() && !used.iter().any(|used| used.vote.source == counted.vote.source);
        cast.push(cast_vote(&counted.vote, Some(counted.rate), is_outlier.then_some(Rejection::Outlier)));
    }
    let mut price = without_price(pair, cast);
    match &result {
        Ok(agreement) => fill_price(&mut price, agreement),
        Err(error) => price.refused = Some(error.to_string()),
    }
    price
}

fn fill_price(price: &mut AgreedPrice, agreement: &Agreement) {
    let used = &agreement.used;
    price.price = Some(agreement.price);
    price.low = used.first().map(|vote| vote.rate);
    price.high = used.last().map(|vote| vote.rate);
    price.as_of = used.iter().map(|counted| counted.vote.observed_at).min();
    price.state = Some(PriceState::Fresh);
    price.simulated = used.iter().any(|counted| counted.vote.simulated);
    price.bid = median_side(used, |bid_ask| bid_ask.bid).map(|bid| bid.min(agreement.price));
    price.ask = median_side(used, |bid_ask| bid_ask.ask).map(|ask| ask.max(agreement.price));
    for cast in &mut price.votes {
        cast.used = used.iter().any(|used| used.vote.source == cast.exchanger && used.vote.pair == cast.pair);
    }
}

/// The median of the bids or of the asks.
fn median_side(used: &[CountedVote], side: fn(BidAsk) -> Rate) -> Option<Rate> {
    let converted = |counted: &CountedVote| {
        let rate = side(counted.vote.bid_ask?);
        counted.usdt.map_or(Some(rate), |usdt| usdt.to_dollars(rate))
    };
    let mut rates: Vec<_> = used.iter().filter_map(converted).collect();
    rates.sort_unstable();
    median(&rates)
}

/// The entry of the vote in the result. `converted` is the value in the pair of the agreed price. It is `None` if the
/// vote was excluded or could not be converted.
fn cast_vote(vote: &Vote, converted: Option<Rate>, rejected: Option<Rejection>) -> CastVote {
    CastVote {
        exchanger: vote.source.to_owned(),
        pair: vote.pair,
        value: vote.value,
        vote: converted,
        observed_at: vote.observed_at,
        used: false,
        rejected,
    }
}

/// An [`AgreedPrice`] of `pair` without a price.
pub(super) fn without_price(pair: CurrencyPair, votes: Vec<CastVote>) -> AgreedPrice {
    AgreedPrice {
        direction: pair,
        method: Method::Median,
        price: None,
        refused: None,
        bid: None,
        ask: None,
        low: None,
        high: None,
        as_of: None,
        state: None,
        expires_at: None,
        prolongable_until: None,
        age_secs: None,
        simulated: false,
        votes,
        legs: Vec::new(),
        official_day: None,
    }
}
