//! Making one price out of what several sources say, such that no minority of them can spoil it. Pure.
//!
//! The rules, and what each is for, are in `docs/adr/0005-agreed-price.md`. In short: live tickers of exchanges vote, one
//! vote a source; a quote in USDT counts in dollars; an index counts where exchanges do not suffice, and a fixing never
//! does. The price is the median, held within [`Bounds`], and there is none where a majority does not agree on it.

mod bounds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use common::{
    api::courses::{AgreedPrice, CastVote, CourseKind, Method, Rejection},
    money::{Asset, CurrencyPair, Rate},
    time::Timestamp,
};

use self::bounds::{Bounds, dollars, in_dollars};
use super::arithmetic::{median, within};

/// When sources count as agreeing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AgreementRules {
    /// How many sources have to agree on a price.
    pub(crate) min_sources: usize,
    /// How far from the middle a source may be, in percent of it.
    pub(crate) max_spread_percent: i128,
}

/// What one source says of one direction, and whether it is to be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) source: &'static str,
    pub(crate) kind: CourseKind,
    pub(crate) told: CurrencyPair,
    /// The middle of the book, or the course where no book is told.
    pub(crate) value: Rate,
    /// The best bid and the best ask.
    pub(crate) book: Option<(Rate, Rate)>,
    pub(crate) observed_at: Timestamp,
    pub(crate) simulated: bool,
    /// Why it does not count, whatever it says.
    pub(crate) ineligible: Option<Rejection>,
}

/// Why there is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAgreement {
    #[error("{votes} sources told a price that agrees, {needed} are needed")]
    TooFew { votes: usize, needed: usize },
    #[error("{votes} sources told prices that are too far apart")]
    TooFarApart { votes: usize },
    #[error("of {votes} sources so many told only what cannot be converted that the others may be lies")]
    TooFewConverted { votes: usize },
}

/// A vote that counts, in the direction of the price.
#[derive(Debug, Clone, Copy)]
struct CountedVote {
    vote: Vote,
    rate: Rate,
    /// What one USDT costs, where the vote was in USDT.
    usdt: Option<Rate>,
}

/// The price of `direction`, with what became of each vote in it.
///
/// `reference` is the price that was agreed before. It is no vote, but where two halves contradict each other, such as two
/// sources of which one lies, it says which half is the likelier one.
pub(crate) fn agree_on_price(
    direction: CurrencyPair,
    votes: &[Vote],
    rules: AgreementRules,
    reference: Option<Rate>,
) -> AgreedPrice {
    let VoterSelection { voters, excluded } = select_voters(direction, votes, rules);
    let in_usdt = voters.iter().any(|voter| voter.told != direction);
    let usdt = if in_usdt { usdt_in_dollars(votes) } else { Vec::new() };
    let Tally { counted, unconverted, result } = tally(direction, &voters, &usdt, rules, reference);

    let mut votes: Vec<_> = excluded.iter().map(|(vote, why)| to_cast_vote(vote, None, Some(*why))).collect();
    votes.extend(unconverted.iter().map(|vote| to_cast_vote(vote, None, Some(Rejection::NoConversion))));
    let used = result.as_ref().map_or(&[][..], |(_, used)| used);
    for vote in &counted {
        let outlier = result.is_ok() && !used.iter().any(|other| other.vote.source == vote.vote.source);
        votes.push(to_cast_vote(&vote.vote, Some(vote.rate), outlier.then_some(Rejection::Outlier)));
    }
    let mut price = unpriced(direction, votes);
    match &result {
        Ok((agreed, used)) => fill_price(&mut price, *agreed, used),
        Err(why) => price.refused = Some(why.to_string()),
    }
    price
}

/// Who is listened to, and who is not for what reason.
struct VoterSelection {
    voters: Vec<Vote>,
    excluded: Vec<(Vote, Rejection)>,
}

/// One vote a source: its own quote in the direction, or its quote in USDT where that one cannot be used. A source that
/// tells both would vote twice otherwise.
fn select_voters(direction: CurrencyPair, votes: &[Vote], rules: AgreementRules) -> VoterSelection {
    let usdt = CurrencyPair::new(direction.base, Asset::USDT);
    let by_usdt = direction.quote == Asset::USD && direction.base != Asset::USDT;
    let mut excluded = Vec::new();
    let (mut trades, mut indices) = (BTreeMap::new(), BTreeMap::new());
    let direct = votes.iter().filter(|vote| vote.told == direction);
    let detour = votes.iter().filter(|vote| by_usdt && vote.told == usdt && vote.kind == CourseKind::Trade);
    for vote in direct.chain(detour).copied() {
        let heard = match vote.kind {
            CourseKind::Trade => &mut trades,
            CourseKind::Index => &mut indices,
            CourseKind::Fixing => {
                excluded.push((vote, Rejection::Unlike));
                continue;
            }
        };
        match vote.ineligible {
            _ if heard.contains_key(vote.source) => {}
            Some(why) => excluded.push((vote, why)),
            None => drop(heard.insert(vote.source, vote)),
        }
    }
    // Exchanges and indices never vote together: they are not told of the same thing.
    let suffice = indices.is_empty() || trades.len() >= rules.min_sources.max(1);
    let (voters, others) = if suffice { (trades, indices) } else { (indices, trades) };
    excluded.extend(others.into_values().map(|vote| (vote, Rejection::Unlike)));
    VoterSelection { voters: voters.into_values().collect(), excluded }
}

/// What one USDT costs in dollars, by each who trades just that; sorted.
fn usdt_in_dollars(votes: &[Vote]) -> Vec<Rate> {
    let direction = CurrencyPair::new(Asset::USDT, Asset::USD);
    let fit = |vote: &&Vote| vote.kind == CourseKind::Trade && vote.told == direction && vote.ineligible.is_none();
    let mut told: Vec<_> = votes.iter().filter(fit).map(|vote| vote.value).collect();
    told.sort_unstable();
    told
}

/// What came of the voters.
struct Tally {
    /// The votes that could be compared, sorted.
    counted: Vec<CountedVote>,
    /// The voters whose vote could not be converted.
    unconverted: Vec<Vote>,
    /// The price, and the votes it is made of.
    result: Result<(Rate, Vec<CountedVote>), NoAgreement>,
}

/// The price of what the voters told, one vote each, whichever minority of them lies; `usdt` is what is told of USDT in
/// dollars, sorted, some of it by the same liars.
fn tally(
    direction: CurrencyPair,
    voters: &[Vote],
    usdt: &[Rate],
    rules: AgreementRules,
    reference: Option<Rate>,
) -> Tally {
    let liars = voters.len().saturating_sub(1) / 2;
    let usdt = dollars(usdt, liars);
    let (mut counted, mut unconverted) = (Vec::with_capacity(voters.len()), Vec::new());
    for &vote in voters {
        let counts = if vote.told == direction {
            Some(CountedVote { vote, rate: vote.value, usdt: None })
        } else {
            usdt.and_then(|usdt| Some(CountedVote { vote, rate: in_dollars(vote.value, usdt)?, usdt: Some(usdt) }))
        };
        match counts {
            Some(vote) => counted.push(vote),
            None => unconverted.push(vote),
        }
    }
    counted.sort_by_key(|vote| (vote.rate, vote.vote.source));
    let result = decide_price(&counted, voters.len(), liars, rules, reference);
    Tally { counted, unconverted, result }
}

/// The price and the votes it is made of, of `counted` ones that are sorted. `all` is how many sources told something, those
/// among them whose vote could not be converted.
fn decide_price(
    counted: &[CountedVote],
    all: usize,
    liars: usize,
    rules: AgreementRules,
    reference: Option<Rate>,
) -> Result<(Rate, Vec<CountedVote>), NoAgreement> {
    let too_few = |votes: usize| NoAgreement::TooFew { votes, needed: rules.min_sources.max(1) };
    let near = |middle: Rate| {
        let near = move |vote: &&CountedVote| within(rules.max_spread_percent * 10, middle, vote.rate);
        counted.iter().filter(near).copied().collect::<Vec<_>>()
    };
    let rates = |votes: &[CountedVote]| votes.iter().map(|vote| vote.rate).collect::<Vec<_>>();

    let sorted = rates(counted);
    let middle = median(&sorted).ok_or(too_few(0))?;
    let bounds = Bounds::of(&sorted, liars).ok_or(NoAgreement::TooFewConverted { votes: all })?;
    let mut used = near(bounds.clamp(middle));
    if used.len() * 2 <= all {
        used = near(reference.ok_or(NoAgreement::TooFarApart { votes: all })?);
        if used.len() * 2 < all {
            return Err(NoAgreement::TooFarApart { votes: all });
        }
    }
    if used.len() < rules.min_sources {
        return Err(too_few(used.len()));
    }
    let price = bounds.clamp(median(&rates(&used)).ok_or(too_few(0))?);
    Ok((price, used))
}

fn fill_price(price: &mut AgreedPrice, agreed: Rate, used: &[CountedVote]) {
    price.price = Some(agreed);
    price.low = used.first().map(|vote| vote.rate);
    price.high = used.last().map(|vote| vote.rate);
    price.as_of = used.iter().map(|vote| vote.vote.observed_at).min();
    price.simulated = used.iter().any(|vote| vote.vote.simulated);
    price.bid = median_side(used, |(bid, _)| bid).map(|bid| bid.min(agreed));
    price.ask = median_side(used, |(_, ask)| ask).map(|ask| ask.max(agreed));
    for vote in &mut price.votes {
        vote.used = used.iter().any(|used| used.vote.source == vote.exchanger && used.vote.told == vote.told);
    }
}

/// The median of one side of the books.
fn median_side(used: &[CountedVote], of: fn((Rate, Rate)) -> Rate) -> Option<Rate> {
    let in_direction = |vote: &CountedVote| {
        let rate = of(vote.vote.book?);
        vote.usdt.map_or(Some(rate), |usdt| in_dollars(rate, usdt))
    };
    let mut sides: Vec<_> = used.iter().filter_map(in_direction).collect();
    sides.sort_unstable();
    median(&sides)
}

fn to_cast_vote(vote: &Vote, converted: Option<Rate>, rejected: Option<Rejection>) -> CastVote {
    CastVote {
        exchanger: vote.source.to_owned(),
        told: vote.told,
        value: vote.value,
        vote: converted,
        observed_at: vote.observed_at,
        used: false,
        rejected,
    }
}

/// A direction with no price yet.
pub(crate) fn unpriced(direction: CurrencyPair, votes: Vec<CastVote>) -> AgreedPrice {
    AgreedPrice {
        direction,
        method: Method::Median,
        price: None,
        refused: None,
        bid: None,
        ask: None,
        low: None,
        high: None,
        as_of: None,
        simulated: false,
        votes,
        legs: Vec::new(),
    }
}
