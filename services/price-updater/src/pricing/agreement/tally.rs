//! Counts votes and finds the price that a majority of them supports.

use common::money::{CurrencyPair, Rate};

use super::{
    AgreementRules, NoAgreement, Vote,
    bounds::{Bounds, UsdtRate},
};
use crate::pricing::arithmetic::{Tolerance, median};

/// A vote whose rate in the pair of the price is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedVote {
    pub(super) vote: Vote,
    /// The value in the pair of the price.
    pub(super) rate: Rate,
    /// The rate by which a vote in USDT was converted. `None` for a vote in the pair of the price.
    pub(super) usdt: Option<UsdtRate>,
}

/// A price, and the votes that agree on it, sorted by rate.
pub(super) struct Agreement {
    pub(super) price: Rate,
    pub(super) used: Vec<CountedVote>,
}

/// The votes on one price.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voters<'a> {
    /// One vote for each source.
    pub(super) votes: &'a [Vote],
    /// How many further sources are suspected to be frozen. Their votes do not count. A majority is more than half of
    /// all voters, including these sources.
    pub(super) frozen: usize,
}

pub(super) struct Tally {
    /// The votes whose rate in the pair of the price is known, sorted by rate.
    pub(super) counted: Vec<CountedVote>,
    /// The votes in USDT that could not be converted.
    pub(super) unconverted: Vec<Vote>,
    pub(super) result: Result<Agreement, NoAgreement>,
}

/// Computes the price of `pair`.
///
/// `usdt` contains the prices of one USDT in dollars, sorted. Faulty voters may have reported some of them.
pub(super) fn tally(
    pair: CurrencyPair,
    voters: Voters<'_>,
    usdt: &[Rate],
    rules: AgreementRules,
    reference: Option<Rate>,
) -> Tally {
    let voter_counts = VoterCounts::from_voters(voters);
    let usdt = UsdtRate::from_sorted(usdt, voter_counts.max_faulty);
    let (mut counted, mut unconverted) = (Vec::with_capacity(voters.votes.len()), Vec::new());
    for &vote in voters.votes {
        let converted = if vote.pair == pair {
            Some(CountedVote { vote, rate: vote.value, usdt: None })
        } else {
            usdt.and_then(|usdt| Some(CountedVote { vote, rate: usdt.to_dollars(vote.value)?, usdt: Some(usdt) }))
        };
        match converted {
            Some(vote) => counted.push(vote),
            None => unconverted.push(vote),
        }
    }
    counted.sort_by_key(|counted| (counted.rate, counted.vote.source));
    let result = decide_price(&counted, voter_counts, rules, reference);
    Tally { counted, unconverted, result }
}

/// The number of voters. Includes voters whose votes could not be converted, and voters that are suspected to be frozen.
#[derive(Debug, Clone, Copy)]
struct VoterCounts {
    voters: usize,
    frozen: usize,
    /// The largest number of voters that is less than half of all voters.
    max_faulty: usize,
}

impl VoterCounts {
    fn from_voters(Voters { votes, frozen }: Voters<'_>) -> Self {
        let voters = votes.len() + frozen;
        Self { voters, frozen, max_faulty: voters.saturating_sub(1) / 2 }
    }
}

/// Returns the price and the votes that agree on it. `counted` is sorted by rate.
fn decide_price(
    counted: &[CountedVote],
    voter_counts: VoterCounts,
    rules: AgreementRules,
    reference: Option<Rate>,
) -> Result<Agreement, NoAgreement> {
    let VoterCounts { voters, frozen, max_faulty } = voter_counts;
    let too_few = |agreeing: usize| NoAgreement::NotEnough { agreeing, needed: rules.min_sources.max(1) };
    let contradiction = || {
        if frozen > 0 { NoAgreement::Frozen { frozen, voters } } else { NoAgreement::Contradicting { voters } }
    };
    let near = |center: Rate| {
        let tolerance = Tolerance { center, per_mille: rules.max_spread_percent * 10 };
        counted.iter().filter(|vote| tolerance.contains(vote.rate)).copied().collect::<Vec<_>>()
    };
    let rates = |votes: &[CountedVote]| votes.iter().map(|vote| vote.rate).collect::<Vec<_>>();

    let sorted = rates(counted);
    if counted.len() + frozen == 0 {
        return Err(too_few(0));
    }
    let unconverted = voters - frozen - counted.len();
    let (middle, bounds) = median(&sorted).zip(Bounds::from_sorted(&sorted, max_faulty)).ok_or(match frozen {
        0 => NoAgreement::Unconverted { unconverted, voters },
        _ => NoAgreement::Frozen { frozen, voters },
    })?;
    let mut used = near(bounds.clamp(middle));
    if used.len() * 2 <= voters {
        used = near(reference.ok_or_else(contradiction)?);
        if used.len() * 2 < voters {
            return Err(contradiction());
        }
    }
    if used.len() < rules.min_sources {
        return Err(too_few(used.len()));
    }
    let price = bounds.clamp(median(&rates(&used)).ok_or(too_few(0))?);
    Ok(Agreement { price, used })
}
