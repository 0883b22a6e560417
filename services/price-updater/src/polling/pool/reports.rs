//! What the panel tells operators.

use std::collections::BTreeMap;

use common::{
    api::{
        courses::{CourseKind, Rejection},
        health::Component,
        prices::{RejectedVotes, SourceFault, SourceReport, SourceState},
    },
    money::{Asset, CurrencyPair},
    time::Timestamp,
};

use super::{super::poller::Seat, Panel};
use crate::{pricing::Market, sources::SourceError};

impl Panel {
    pub(crate) fn reports(&self, now: Timestamp) -> Vec<SourceReport> {
        self.active().map(|seat| report(seat, now)).collect()
    }

    /// One part a source, each of which the service can do without; and one that says whether any works.
    pub(crate) fn parts(&self) -> Vec<Component> {
        let mut parts: Vec<_> = self.active().map(|seat| part(seat)).collect();
        let mut exchanges = self.active().filter(|seat| seat.source.kind() != CourseKind::Fixing);
        parts.push(if exchanges.any(|seat| seat.memory().state == SourceState::Working) {
            Component::ready("sources")
        } else {
            Component::missing("sources", "no source gives a price")
        });
        parts
    }

    /// Takes in what became of every vote, and measures every source that is asked. Of one that is switched off nothing stays
    /// to be seen: it would look like one that gets older and older.
    pub(crate) fn judge(&self, market: &Market, now: Timestamp) {
        let active = self.roster.order();
        for (_, seat) in self.seats.iter().enumerate().filter(|(place, _)| !active.contains(place)) {
            self.metrics.forget(seat.source.name());
        }
        for seat in self.active() {
            let source = seat.source.name();
            let mut rejected: BTreeMap<Rejection, u64> = BTreeMap::new();
            let mut used = 0;
            for vote in market.prices.values().flat_map(|price| &price.votes).filter(|vote| vote.exchanger == source) {
                used += u64::from(vote.used);
                self.metrics.vote(source, vote.used, vote.rejected);
                if let Some(why) = vote.rejected {
                    *rejected.entry(why).or_default() += 1;
                }
            }
            let mut memory = seat.memory();
            memory.judge(source, used, rejected, now);
            self.metrics.source(source, memory.as_of(), seat.source.budget_left());
        }
    }

    /// Another instance asks, and measures them.
    pub(crate) fn stand_by(&self) {
        self.seats.iter().for_each(|seat| self.metrics.forget(seat.source.name()));
    }
}

fn report(seat: &Seat, now: Timestamp) -> SourceReport {
    let memory = seat.memory();
    let as_of = memory.as_of();
    let fault = |(direction, error): &(Option<CurrencyPair>, SourceError)| SourceFault {
        direction: *direction,
        kind: error.kind().to_owned(),
        message: error.to_string(),
    };
    let bitcoin = memory.quotes.iter().filter(|(at, _)| at.base == Asset::BTC);
    SourceReport {
        name: seat.source.name().to_owned(),
        kind: seat.source.kind(),
        state: memory.state,
        since: memory.since,
        ok: matches!(memory.state, SourceState::Working | SourceState::Disbelieved),
        simulated: memory.quotes.values().any(|kept| kept.simulated),
        asked_at: memory.asked_at,
        latency_ms: memory.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        budget_left: seat.source.budget_left(),
        as_of,
        age_seconds: as_of.map(|as_of| now.since(as_of).as_secs()),
        courses: memory.quotes.len() as u64,
        prices: bitcoin.filter_map(|(at, kept)| Some((at.quote.to_currency()?, kept.quote.course()))).collect(),
        used_votes: memory.used,
        rejected_votes: memory.rejected.iter().map(|(&why, &votes)| RejectedVotes { why, votes }).collect(),
        errors: memory.faults.iter().map(fault).collect(),
    }
}

fn part(seat: &Seat) -> Component {
    let name = format!("{}{}", Component::SOURCE, seat.source.name());
    let memory = seat.memory();
    let part = memory.why().map_or_else(|| Component::ready(&name), |why| Component::missing(&name, why));
    Component { since: Some(memory.since), observed_at: memory.as_of(), ..part.optional() }
}
