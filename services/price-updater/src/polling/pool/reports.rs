//! What the pool tells operators.

use std::collections::BTreeMap;

use common::{
    api::{
        courses::{CourseKind, Rejection},
        health::Component,
        sources::{RejectedVotes, SourceFault, SourceReport, SourceState},
    },
    money::{Asset, CurrencyPair},
    time::Timestamp,
};

use super::{super::poller::Poller, SourcePool};
use crate::{pricing::MarketPrices, sources::SourceError};

impl SourcePool {
    pub(crate) fn reports(&self, now: Timestamp) -> Vec<SourceReport> {
        self.active().map(|poller| report(poller, now)).collect()
    }

    /// One part a source, each of which the service can do without; and one that says whether any works.
    pub(crate) fn parts(&self) -> Vec<Component> {
        let mut parts: Vec<_> = self.active().map(|poller| part(poller)).collect();
        let mut exchanges = self.active().filter(|poller| poller.source.kind() != CourseKind::Fixing);
        parts.push(if exchanges.any(|poller| poller.state().status == SourceState::Working) {
            Component::ready("sources")
        } else {
            Component::missing("sources", "no source gives a price")
        });
        parts
    }

    /// Takes in what became of every vote, and measures every source that is asked. Of one that is switched off nothing stays
    /// to be seen: it would look like one that gets older and older.
    pub(crate) fn record_votes(&self, market: &MarketPrices, now: Timestamp) {
        let active = self.active_sources.order();
        for (_, poller) in self.pollers.iter().enumerate().filter(|(place, _)| !active.contains(place)) {
            self.metrics.forget(poller.source.name());
        }
        for poller in self.active() {
            let source = poller.source.name();
            let mut rejected: BTreeMap<Rejection, u64> = BTreeMap::new();
            let mut used = 0;
            for vote in market.prices.values().flat_map(|price| &price.votes).filter(|vote| vote.exchanger == source) {
                used += u64::from(vote.used);
                self.metrics.vote(source, vote.used, vote.rejected);
                if let Some(why) = vote.rejected {
                    *rejected.entry(why).or_default() += 1;
                }
            }
            let mut state = poller.state();
            state.record_votes(source, used, rejected, now);
            self.metrics.source(source, state.as_of(), poller.source.budget_left());
        }
    }

    /// Another instance asks, and measures them.
    pub(crate) fn clear_metrics(&self) {
        self.pollers.iter().for_each(|poller| self.metrics.forget(poller.source.name()));
    }
}

fn report(poller: &Poller, now: Timestamp) -> SourceReport {
    let state = poller.state();
    let as_of = state.as_of();
    let fault = |(direction, error): &(Option<CurrencyPair>, SourceError)| SourceFault {
        direction: *direction,
        kind: error.kind().to_owned(),
        message: error.to_string(),
    };
    let bitcoin = state.tickers.iter().filter(|(at, _)| at.base == Asset::BTC);
    SourceReport {
        name: poller.source.name().to_owned(),
        kind: poller.source.kind(),
        state: state.status,
        since: state.since,
        ok: matches!(state.status, SourceState::Working | SourceState::Disbelieved),
        simulated: state.tickers.values().any(|latest| latest.simulated),
        asked_at: state.asked_at,
        latency_ms: state.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        budget_left: poller.source.budget_left(),
        as_of,
        age_seconds: as_of.map(|as_of| now.since(as_of).as_secs()),
        courses: state.tickers.len() as u64,
        prices: bitcoin.filter_map(|(at, latest)| Some((at.quote.to_currency()?, latest.ticker.course()))).collect(),
        used_votes: state.used,
        rejected_votes: state.rejected.iter().map(|(&why, &votes)| RejectedVotes { why, votes }).collect(),
        errors: state.faults.iter().map(fault).collect(),
    }
}

fn part(poller: &Poller) -> Component {
    let name = format!("{}{}", Component::SOURCE, poller.source.name());
    let state = poller.state();
    let part = state.why().map_or_else(|| Component::ready(&name), |why| Component::missing(&name, why));
    Component { since: Some(state.since), observed_at: state.as_of(), ..part.optional() }
}
