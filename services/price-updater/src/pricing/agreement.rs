//! Making one price out of what several sources say, such that no minority of them can spoil it. Pure.
//!
//! The rules, and what each is for, are in `docs/adr/0005-agreed-price.md`. In short: live quotes of exchanges vote, one
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
pub(crate) struct Rules {
    /// How many sources have to agree on a price.
    pub(crate) min_sources: usize,
    /// How far from the middle a source may be, in percent of it.
    pub(crate) max_spread_percent: i128,
}

/// What one source says of one direction, and whether it is to be listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Voice {
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
    pub(crate) unfit: Option<Rejection>,
}

/// Why there is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPrice {
    #[error("{votes} sources told a price that agrees, {needed} are needed")]
    TooFew { votes: usize, needed: usize },
    #[error("{votes} sources told prices that are too far apart")]
    Apart { votes: usize },
    #[error("of {votes} sources so many told only what cannot be converted that the others may be lies")]
    Unsure { votes: usize },
}

/// A vote that counts, in the direction of the price.
#[derive(Debug, Clone, Copy)]
struct Counted {
    voice: Voice,
    rate: Rate,
    /// What one USDT costs, where the voice was in USDT.
    usdt: Option<Rate>,
}

/// The price of `direction`, with what became of each voice in it.
///
/// `reference` is the price that was agreed before. It is no vote, but where two halves contradict each other, such as two
/// sources of which one lies, it says which half is the likelier one.
pub(crate) fn agree(direction: CurrencyPair, voices: &[Voice], rules: Rules, reference: Option<Rate>) -> AgreedPrice {
    let Hustings { voters, passed_over } = listen(direction, voices, rules);
    let in_usdt = voters.iter().any(|voter| voter.told != direction);
    let usdt = if in_usdt { usdt_in_dollars(voices) } else { Vec::new() };
    let Weighed { counted, unheard, result } = weigh(direction, &voters, &usdt, rules, reference);

    let mut votes: Vec<_> = passed_over.iter().map(|(voice, why)| cast(voice, None, Some(*why))).collect();
    votes.extend(unheard.iter().map(|voice| cast(voice, None, Some(Rejection::NoConversion))));
    let used = result.as_ref().map_or(&[][..], |(_, used)| used);
    for vote in &counted {
        let outlier = result.is_ok() && !used.iter().any(|other| other.voice.source == vote.voice.source);
        votes.push(cast(&vote.voice, Some(vote.rate), outlier.then_some(Rejection::Outlier)));
    }
    let mut price = unpriced(direction, votes);
    match &result {
        Ok((agreed, used)) => fill(&mut price, *agreed, used),
        Err(why) => price.refused = Some(why.to_string()),
    }
    price
}

/// Who is listened to, and who is not for what reason.
struct Hustings {
    voters: Vec<Voice>,
    passed_over: Vec<(Voice, Rejection)>,
}

/// One voice a source: its own quote in the direction, or its quote in USDT where that one cannot be used. A source that
/// tells both would vote twice otherwise.
fn listen(direction: CurrencyPair, voices: &[Voice], rules: Rules) -> Hustings {
    let usdt = CurrencyPair::new(direction.base, Asset::USDT);
    let by_usdt = direction.quote == Asset::USD && direction.base != Asset::USDT;
    let mut passed_over = Vec::new();
    let (mut trades, mut indices) = (BTreeMap::new(), BTreeMap::new());
    let direct = voices.iter().filter(|voice| voice.told == direction);
    let detour = voices.iter().filter(|voice| by_usdt && voice.told == usdt && voice.kind == CourseKind::Trade);
    for voice in direct.chain(detour).copied() {
        let heard = match voice.kind {
            CourseKind::Trade => &mut trades,
            CourseKind::Index => &mut indices,
            CourseKind::Fixing => {
                passed_over.push((voice, Rejection::Unlike));
                continue;
            }
        };
        match voice.unfit {
            _ if heard.contains_key(voice.source) => {}
            Some(why) => passed_over.push((voice, why)),
            None => drop(heard.insert(voice.source, voice)),
        }
    }
    // Exchanges and indices never vote together: they are not told of the same thing.
    let suffice = indices.is_empty() || trades.len() >= rules.min_sources.max(1);
    let (voters, others) = if suffice { (trades, indices) } else { (indices, trades) };
    passed_over.extend(others.into_values().map(|voice| (voice, Rejection::Unlike)));
    Hustings { voters: voters.into_values().collect(), passed_over }
}

/// What one USDT costs in dollars, by each who trades just that; sorted.
fn usdt_in_dollars(voices: &[Voice]) -> Vec<Rate> {
    let direction = CurrencyPair::new(Asset::USDT, Asset::USD);
    let fit = |voice: &&Voice| voice.kind == CourseKind::Trade && voice.told == direction && voice.unfit.is_none();
    let mut told: Vec<_> = voices.iter().filter(fit).map(|voice| voice.value).collect();
    told.sort_unstable();
    told
}

/// What came of the voters.
struct Weighed {
    /// The votes that could be compared, sorted.
    counted: Vec<Counted>,
    /// The voters whose vote could not be converted.
    unheard: Vec<Voice>,
    /// The price, and the votes it is made of.
    result: Result<(Rate, Vec<Counted>), NoPrice>,
}

/// The price of what the voters told, one vote each, whichever minority of them lies; `usdt` is what is told of USDT in
/// dollars, sorted, some of it by the same liars.
fn weigh(direction: CurrencyPair, voters: &[Voice], usdt: &[Rate], rules: Rules, reference: Option<Rate>) -> Weighed {
    let liars = voters.len().saturating_sub(1) / 2;
    let usdt = dollars(usdt, liars);
    let (mut counted, mut unheard) = (Vec::with_capacity(voters.len()), Vec::new());
    for &voice in voters {
        let counts = if voice.told == direction {
            Some(Counted { voice, rate: voice.value, usdt: None })
        } else {
            usdt.and_then(|usdt| Some(Counted { voice, rate: in_dollars(voice.value, usdt)?, usdt: Some(usdt) }))
        };
        match counts {
            Some(vote) => counted.push(vote),
            None => unheard.push(voice),
        }
    }
    counted.sort_by_key(|vote| (vote.rate, vote.voice.source));
    let result = count(&counted, voters.len(), liars, rules, reference);
    Weighed { counted, unheard, result }
}

/// The price and the votes it is made of, of `counted` ones that are sorted. `all` is how many sources told something, those
/// among them whose vote could not be converted.
fn count(
    counted: &[Counted],
    all: usize,
    liars: usize,
    rules: Rules,
    reference: Option<Rate>,
) -> Result<(Rate, Vec<Counted>), NoPrice> {
    let too_few = |votes: usize| NoPrice::TooFew { votes, needed: rules.min_sources.max(1) };
    let near = |middle: Rate| {
        let near = move |vote: &&Counted| within(rules.max_spread_percent * 10, middle, vote.rate);
        counted.iter().filter(near).copied().collect::<Vec<_>>()
    };
    let rates = |votes: &[Counted]| votes.iter().map(|vote| vote.rate).collect::<Vec<_>>();

    let sorted = rates(counted);
    let middle = median(&sorted).ok_or(too_few(0))?;
    let bounds = Bounds::of(&sorted, liars).ok_or(NoPrice::Unsure { votes: all })?;
    let mut used = near(bounds.hold(middle));
    if used.len() * 2 <= all {
        used = near(reference.ok_or(NoPrice::Apart { votes: all })?);
        if used.len() * 2 < all {
            return Err(NoPrice::Apart { votes: all });
        }
    }
    if used.len() < rules.min_sources {
        return Err(too_few(used.len()));
    }
    let price = bounds.hold(median(&rates(&used)).ok_or(too_few(0))?);
    Ok((price, used))
}

fn fill(price: &mut AgreedPrice, agreed: Rate, used: &[Counted]) {
    price.price = Some(agreed);
    price.low = used.first().map(|vote| vote.rate);
    price.high = used.last().map(|vote| vote.rate);
    price.as_of = used.iter().map(|vote| vote.voice.observed_at).min();
    price.simulated = used.iter().any(|vote| vote.voice.simulated);
    price.bid = side(used, |(bid, _)| bid).map(|bid| bid.min(agreed));
    price.ask = side(used, |(_, ask)| ask).map(|ask| ask.max(agreed));
    for vote in &mut price.votes {
        vote.used = used.iter().any(|used| used.voice.source == vote.exchanger && used.voice.told == vote.told);
    }
}

/// The median of one side of the books.
fn side(used: &[Counted], of: fn((Rate, Rate)) -> Rate) -> Option<Rate> {
    let in_direction = |vote: &Counted| {
        let rate = of(vote.voice.book?);
        vote.usdt.map_or(Some(rate), |usdt| in_dollars(rate, usdt))
    };
    let mut sides: Vec<_> = used.iter().filter_map(in_direction).collect();
    sides.sort_unstable();
    median(&sides)
}

fn cast(voice: &Voice, vote: Option<Rate>, rejected: Option<Rejection>) -> CastVote {
    CastVote {
        exchanger: voice.source.to_owned(),
        told: voice.told,
        value: voice.value,
        vote,
        observed_at: voice.observed_at,
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
