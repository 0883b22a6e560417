//! Selects the votes to compare: at most one vote of each source, and either votes of exchanges or votes of indices.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    api::courses::{CourseKind, Rejection},
    money::{Asset, CurrencyPair, Rate},
};

use super::{AgreementRules, Vote};

pub(super) struct VoterSelection {
    /// At most one vote for each source.
    pub(super) voters: Vec<Vote>,
    /// How many further sources are suspected to be frozen.
    pub(super) frozen: usize,
    pub(super) excluded: Vec<ExcludedVote>,
}

pub(super) struct ExcludedVote {
    pub(super) vote: Vote,
    pub(super) why: Rejection,
}

/// Selects one vote of each source: its vote on `pair`. If `pair` is quoted in dollars and that vote is missing or
/// ineligible, the vote of the same exchange on the pair in USDT replaces it.
pub(super) fn select_voters(pair: CurrencyPair, votes: &[Vote], rules: AgreementRules) -> VoterSelection {
    let usdt_pair = CurrencyPair::new(pair.base, Asset::USDT);
    let accepts_usdt = pair.quote == Asset::USD && pair.base != Asset::USDT;
    let mut excluded = Vec::new();
    let (mut trades, mut indices) = (BTreeMap::new(), BTreeMap::new());
    let direct = votes.iter().filter(|vote| vote.pair == pair);
    let in_usdt = votes.iter().filter(|vote| accepts_usdt && vote.pair == usdt_pair && vote.kind == CourseKind::Trade);
    for vote in direct.chain(in_usdt).copied() {
        let selected = match vote.kind {
            CourseKind::Trade => &mut trades,
            CourseKind::Index => &mut indices,
            CourseKind::Fixing => {
                excluded.push(ExcludedVote { vote, why: Rejection::OtherKind });
                continue;
            }
        };
        match vote.ineligible {
            _ if selected.contains_key(vote.source) => {}
            Some(why) => excluded.push(ExcludedVote { vote, why }),
            None => drop(selected.insert(vote.source, vote)),
        }
    }
    // Exchanges and indices never vote together: an exchange reports its own market, and an index is computed from several
    // markets.
    let exchanges_suffice = indices.is_empty() || trades.len() >= rules.min_sources.max(1);
    let (selected, others) = if exchanges_suffice { (trades, indices) } else { (indices, trades) };
    let kind = if exchanges_suffice { CourseKind::Trade } else { CourseKind::Index };
    let suspected = excluded.iter().filter(|excluded| excluded.vote.freeze_suspected && excluded.vote.kind == kind);
    let suspected: BTreeSet<_> = suspected.map(|excluded| excluded.vote.source).collect();
    let frozen = suspected.iter().filter(|source| !selected.contains_key(*source)).count();
    excluded.extend(others.into_values().map(|vote| ExcludedVote { vote, why: Rejection::OtherKind }));
    VoterSelection { voters: selected.into_values().collect(), frozen, excluded }
}

/// The price of one USDT in dollars at each exchange that has an eligible vote on the pair USDT-USD, lowest first.
pub(super) fn usdt_rates(votes: &[Vote]) -> Vec<Rate> {
    let pair = CurrencyPair::new(Asset::USDT, Asset::USD);
    let counts = |vote: &&Vote| vote.kind == CourseKind::Trade && vote.pair == pair && vote.ineligible.is_none();
    let mut rates: Vec<_> = votes.iter().filter(counts).map(|vote| vote.value).collect();
    rates.sort_unstable();
    rates
}
