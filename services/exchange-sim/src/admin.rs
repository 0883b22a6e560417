//! The admin API: set and end faults, replace the timeline, read the call counters.
#![allow(clippy::unused_async, reason = "poem-openapi requires async handlers")]

use common::{
    api::{Code, Problem},
    server::{Json, Operator, UncheckedBody},
    spelling::shown_names,
};
use poem_openapi::{ApiResponse, Object, OpenApi, param::Path};
use serde::Serialize;

use crate::{
    faults::{FaultInfo, NewFault, Timeline, check_fault},
    market::moves::MarketMoveInfo,
    rate_limits::CallCounters,
    simulation::Simulation,
};

pub(crate) struct Admin {
    simulation: Simulation,
}

/// The active faults.
#[derive(Debug, Object, Serialize)]
struct FaultList {
    /// The names of all exchanges.
    exchanges: Vec<String>,
    faults: Vec<FaultInfo>,
}

/// The timeline: past, running and future faults.
#[derive(Debug, Object, Serialize)]
struct TimelineList {
    timeline: Vec<FaultInfo>,
    /// The past, running and future moves of the market.
    market: Vec<MarketMoveInfo>,
}

/// The call counters of every exchange.
#[derive(Debug, Object, Serialize)]
struct CallList {
    exchanges: Vec<CallCounters>,
}

#[derive(ApiResponse)]
enum FaultEnded {
    /// All active faults of the exchange have ended.
    #[oai(status = 204)]
    NoContent,
}

impl Admin {
    pub(crate) fn new(simulation: Simulation) -> Self {
        Self { simulation }
    }

    fn known_exchange(&self, name: &str) -> Result<&'static str, Problem> {
        let exchanges = self.simulation.exchanges;
        exchanges.iter().copied().find(|known| *known == name).ok_or_else(|| {
            let (shown, known) = (shown_names(&[name], exchanges), exchanges.join(", "));
            let message = format!("The exchange {shown} does not exist. The exchanges are {known}.");
            Problem::new(Code::NotFound, message)
        })
    }

    fn timeline_list(&self) -> TimelineList {
        TimelineList { timeline: self.simulation.timeline(), market: self.simulation.market.moves.all() }
    }
}

#[OpenApi]
impl Admin {
    /// Lists the active faults.
    #[oai(path = "/admin/faults", method = "get", operation_id = "list_faults")]
    async fn list(&self, _caller: Operator) -> Result<Json<FaultList>, Problem> {
        let exchanges = self.simulation.exchanges.iter().map(|name| (*name).to_owned()).collect();
        Ok(Json(FaultList { exchanges, faults: self.simulation.active_faults() }))
    }

    /// Starts a fault at an exchange, and unbans its callers. The fault takes precedence over the timeline, and replaces a
    /// fault that this operation started earlier. Running faults of the timeline resume when the new fault ends.
    #[oai(path = "/admin/faults/:exchange", method = "put", operation_id = "set_fault")]
    async fn set(
        &self,
        _caller: Operator,
        exchange: Path<String>,
        fault: UncheckedBody<NewFault>,
    ) -> Result<Json<FaultInfo>, Problem> {
        let exchange = self.known_exchange(&exchange.0)?;
        let fault = fault.or_problem_with(|fault, known| check_fault(fault, "", known))?;
        let started = self.simulation.start_fault(exchange, &fault).map_err(Problem::validation)?;
        tracing::info!(exchange, fault = started.fault.as_str(), until = %started.until, "fault started");
        Ok(Json(started))
    }

    /// Ends all running faults of an exchange, and unbans its callers. Later faults of the timeline still start.
    #[oai(path = "/admin/faults/:exchange", method = "delete", operation_id = "end_fault")]
    async fn end(&self, _caller: Operator, exchange: Path<String>) -> Result<FaultEnded, Problem> {
        let exchange = self.known_exchange(&exchange.0)?;
        self.simulation.end_fault(exchange);
        tracing::info!(exchange, "fault ended");
        Ok(FaultEnded::NoContent)
    }

    /// Lists the faults of the timeline and the moves of the market.
    #[oai(path = "/admin/timeline", method = "get", operation_id = "get_timeline")]
    async fn timeline(&self, _caller: Operator) -> Result<Json<TimelineList>, Problem> {
        Ok(Json(self.timeline_list()))
    }

    /// Replaces the timeline. The new timeline starts now. An empty list removes the timeline. Moves of the market that have
    /// started stay.
    #[oai(path = "/admin/timeline", method = "put", operation_id = "set_timeline")]
    async fn set_timeline(
        &self,
        _caller: Operator,
        timeline: UncheckedBody<Timeline>,
    ) -> Result<Json<TimelineList>, Problem> {
        let exchanges = self.simulation.exchanges;
        let Timeline { timeline, market } =
            timeline.or_problem_with(|timeline, known| timeline.check(exchanges, known))?;
        self.simulation.set_timeline(&timeline, &market).map_err(Problem::validation)?;
        let set = self.timeline_list();
        tracing::info!(faults = set.timeline.len(), market_moves = set.market.len(), "timeline set");
        Ok(Json(set))
    }

    /// Lists the counters of every exchange since the start: calls, refusals, and calls during an announced ban.
    #[oai(path = "/admin/calls", method = "get", operation_id = "list_calls")]
    async fn calls(&self, _caller: Operator) -> Result<Json<CallList>, Problem> {
        Ok(Json(CallList { exchanges: self.simulation.call_counters() }))
    }
}
