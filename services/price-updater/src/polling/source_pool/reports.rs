//! Reports, health components and metrics of the sources.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use common::{
    api::{
        courses::{CourseKind, Rejection},
        health::Component,
        prices::SIMULATED_MARK,
        sources::{RejectedVotes, SourceFault, SourceReport, SourceState},
    },
    io_errors::{NO_RESPONSE, NO_ROUTE, UNKNOWN_HOST},
    money::Asset,
    time::Timestamp,
};

use super::{
    super::poller::{PollError, Poller},
    SourcePool,
};
use crate::{pricing::MarketPrices, sources::SourceError};

/// What to do if no source can be reached, and every reason fits a machine without a connection to the internet.
pub const CONNECT_OR_SIMULATE: &str = "This machine seems to have no connection to the internet. Check the connection and the \
    firewall. Behind a proxy, set HTTPS_PROXY. To try the product without the internet, start `buydesk up --demo`.";
/// What to do if no source reports a price although something responds at some of the addresses.
pub const CHECK_SOURCES: &str = "Check the addresses of the sources, such as BINANCE_URL and KRAKEN_URL, and whether a proxy or a \
    firewall responds instead of the sources. To try the product without the internet, start `buydesk up --demo`.";
/// What to do if no simulated source reports a price.
pub const CHECK_SIMULATION: &str = "Prices are simulated. Check that exchange-sim runs. `GET /admin/faults` of exchange-sim lists \
    the faults of the simulated exchanges, and `DELETE /admin/faults/EXCHANGE` ends a fault.";
/// What to do if no simulated source can be reached.
const START_SIMULATION: &str = "Prices are simulated. Check that exchange-sim runs, that `GET /admin/faults` of exchange-sim \
    lists no fault, and the addresses of the sources, such as KRAKEN_URL";

/// Whether a machine without a connection to the internet explains this state of a source, which is the detail of its
/// component.
pub fn suggests_no_connection(problem: &str) -> bool {
    let timeout = SourceError::Timeout.to_string();
    let unreachable = [UNKNOWN_HOST, NO_ROUTE, NO_RESPONSE].map(|cause| SourceError::unreachable(cause).to_string());
    std::iter::once(&timeout).chain(&unreachable).any(|reason| problem.starts_with(reason))
}

impl SourcePool {
    /// A report on each active source.
    pub(crate) fn reports(&self, now: Timestamp) -> Vec<SourceReport> {
        self.active().map(|poller| report(poller, now)).collect()
    }

    /// An optional component for each active source, and the required component `sources`, which is ready if any exchange or
    /// index works.
    pub(crate) fn components(&self) -> Vec<Component> {
        let mut components: Vec<_> = self.active().map(|poller| component(poller)).collect();
        let mut voters = self.active().filter(|poller| poller.source.kind() != CourseKind::Fixing);
        let marks = self.config.simulated.then(|| SIMULATED_MARK.to_owned()).into_iter().collect();
        let sources = if voters.any(|poller| poller.state().status == SourceState::Working) {
            Component::ready(Component::SOURCES)
        } else {
            let reason =
                self.outage().unwrap_or_else(|| "no exchange and no index reports a price that is used".to_owned());
            Component::not_ready(Component::SOURCES, reason)
        };
        components.push(Component { marks, ..sources });
        components
    }

    /// Stores how many votes of each active source were used and rejected, and updates the metrics of these sources. The
    /// gauges of inactive sources are removed, because they would show ages that only grow.
    pub(crate) fn record_votes(&self, market: &MarketPrices, now: Timestamp) {
        let active = self.active_sources.order();
        for (_, poller) in self.pollers.iter().enumerate().filter(|(index, _)| !active.contains(index)) {
            self.metrics.remove_source(poller.source.name());
        }
        for poller in self.active() {
            let source = poller.source.name();
            let mut rejected: BTreeMap<Rejection, u64> = BTreeMap::new();
            let mut used = 0;
            for vote in market.prices.values().flat_map(|price| &price.votes).filter(|vote| vote.exchanger == source) {
                used += u64::from(vote.used);
                self.metrics.record_vote(source, vote.used, vote.rejected);
                if let Some(why) = vote.rejected {
                    *rejected.entry(why).or_default() += 1;
                }
            }
            let mut state = poller.state();
            state.record_votes(used, rejected, now);
            self.metrics.set_source_gauges(source, state.as_of(), poller.source.budget_left());
        }
        self.log_changes();
    }

    /// Logs the sources that fail or work again. If no source can be reached, one error is logged instead of one warning
    /// for each source.
    fn log_changes(&self) {
        let outage = self.outage();
        for poller in self.active() {
            poller.state().log_change(outage.is_some());
        }
        match (outage, self.outage_logged.load(Relaxed)) {
            (Some(reason), false) => tracing::error!("{reason}"),
            (None, true) => tracing::info!("price sources can be reached again"),
            (Some(_), true) | (None, false) => return,
        }
        self.outage_logged.fetch_not(Relaxed);
    }

    /// The message that no source can be reached, with a remedy. `None` unless every active source is unreachable.
    fn outage(&self) -> Option<String> {
        let mut first = None;
        let mut is_offline = true;
        for poller in self.active() {
            let state = poller.state();
            if !state.is_unreachable() {
                return None;
            }
            let problem = state.problem();
            is_offline &= problem.as_deref().is_some_and(suggests_no_connection);
            first = first.or_else(|| Some(format!("{} {}", poller.source.name(), problem?)));
        }
        let remedy = if self.config.simulated {
            START_SIMULATION.to_owned()
        } else {
            let remedy = if is_offline { CONNECT_OR_SIMULATE } else { CHECK_SOURCES };
            format!("{remedy} PRICE_SOURCES selects the sources")
        };
        first.map(|first| format!("no price source can be reached; for example, {first}. {remedy}"))
    }

    /// Removes the gauges of all sources. Called while this instance does not poll, because only the leader exports these
    /// gauges.
    pub(crate) fn clear_metrics(&self) {
        self.pollers.iter().for_each(|poller| self.metrics.remove_source(poller.source.name()));
    }
}

fn report(poller: &Poller, now: Timestamp) -> SourceReport {
    let state = poller.state();
    let as_of = state.as_of();
    let fault = |error: &PollError| SourceFault {
        direction: error.pair,
        kind: error.error.kind().to_owned(),
        message: error.error.to_string(),
    };
    let bitcoin = state.tickers.iter().filter(|(pair, _)| pair.base == Asset::BTC);
    SourceReport {
        name: poller.source.name().to_owned(),
        kind: poller.source.kind(),
        state: state.status,
        since: state.since,
        ok: matches!(state.status, SourceState::Working | SourceState::Disbelieved),
        simulated: state.tickers.values().any(|latest| latest.simulated),
        polled_at: state.polled_at,
        latency_ms: state.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        budget_left: poller.source.budget_left(),
        as_of,
        age_seconds: as_of.map(|as_of| now.since(as_of).as_secs()),
        courses: state.tickers.len() as u64,
        prices: bitcoin
            .filter_map(|(pair, latest)| Some((pair.quote.to_currency()?, latest.ticker.course())))
            .collect(),
        used_votes: state.used_votes,
        rejected_votes: state.rejected_votes.iter().map(|(&why, &votes)| RejectedVotes { why, votes }).collect(),
        errors: state.errors.iter().map(fault).collect(),
    }
}

fn component(poller: &Poller) -> Component {
    let name = format!("{}{}", Component::SOURCE, poller.source.name());
    let state = poller.state();
    let component = state.problem().map_or_else(|| Component::ready(&name), |why| Component::not_ready(&name, why));
    Component { since: Some(state.since), observed_at: state.as_of(), ..component.optional() }
}
