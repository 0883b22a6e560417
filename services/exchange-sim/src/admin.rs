//! Pulling plugs: which exchange fails, how, and for how long; and who called too often.
#![allow(clippy::unused_async, reason = "poem-openapi takes handlers that are async and no others")]

use common::{
    api::{Code, FieldError, Problem},
    server::{InternalCaller, Json},
};
use poem_openapi::{ApiResponse, Object, OpenApi, param::Path};
use serde::Serialize;

use crate::{
    Simulation,
    call_limits::ExchangeCalls,
    exchanges::NAMES,
    faults::{ActiveFault, NewFault, Timeline},
};

pub(crate) struct Admin {
    simulation: Simulation,
}

/// What is wrong at the moment.
#[derive(Debug, Object, Serialize)]
struct FaultList {
    /// The exchanges there are.
    exchanges: Vec<String>,
    faults: Vec<ActiveFault>,
}

/// The faults that come at their time, those that are over included.
#[derive(Debug, Object, Serialize)]
struct TimelineList {
    timeline: Vec<ActiveFault>,
}

/// Who called, and who called too often.
#[derive(Debug, Object, Serialize)]
struct CallList {
    exchanges: Vec<ExchangeCalls>,
}

#[derive(ApiResponse)]
enum FaultEnded {
    /// Nothing is wrong with it any more.
    #[oai(status = 204)]
    NoContent,
}

impl Admin {
    pub(crate) fn new(simulation: Simulation) -> Self {
        Self { simulation }
    }
}

#[OpenApi]
impl Admin {
    /// The faults that are there now.
    #[oai(path = "/admin/faults", method = "get", operation_id = "list_faults")]
    async fn list(&self, _caller: InternalCaller) -> Json<FaultList> {
        let exchanges = NAMES.iter().map(|name| (*name).to_owned()).collect();
        Json(FaultList { exchanges, faults: self.simulation.faults() })
    }

    /// Lets an exchange fail, in place of the way it fails already.
    #[oai(path = "/admin/faults/:exchange", method = "put", operation_id = "set_fault")]
    async fn set(
        &self,
        _caller: InternalCaller,
        exchange: Path<String>,
        fault: Json<NewFault>,
    ) -> Result<Json<ActiveFault>, Problem> {
        let exchange = known(&exchange.0)?;
        let active = self
            .simulation
            .set_fault(exchange, &fault.0)
            .map_err(|error| Problem::validation(vec![FieldError::new(error.field, error)]))?;
        tracing::info!(exchange, fault = active.fault.as_str(), until = %active.until, "a fault was set");
        Ok(Json(active))
    }

    /// Ends the fault of an exchange, if there is one, and any ban of its callers.
    #[oai(path = "/admin/faults/:exchange", method = "delete", operation_id = "end_fault")]
    async fn end(&self, _caller: InternalCaller, exchange: Path<String>) -> Result<FaultEnded, Problem> {
        let exchange = known(&exchange.0)?;
        self.simulation.end_fault(exchange);
        tracing::info!(exchange, "a fault was ended");
        Ok(FaultEnded::NoContent)
    }

    /// The timeline of faults.
    #[oai(path = "/admin/timeline", method = "get", operation_id = "get_timeline")]
    async fn timeline(&self, _caller: InternalCaller) -> Json<TimelineList> {
        Json(TimelineList { timeline: self.simulation.timeline() })
    }

    /// Puts a timeline of faults, which begins now, in the place of the one that is there. An empty one ends it.
    #[oai(path = "/admin/timeline", method = "put", operation_id = "set_timeline")]
    async fn set_timeline(
        &self,
        _caller: InternalCaller,
        timeline: Json<Timeline>,
    ) -> Result<Json<TimelineList>, Problem> {
        let timeline = self.simulation.set_timeline(&timeline.0.timeline).map_err(|(index, error)| {
            let field = format!("timeline[{index}].{}", error.field);
            Problem::validation(vec![FieldError::new(field, error)])
        })?;
        tracing::info!(faults = timeline.len(), "a timeline was set");
        Ok(Json(TimelineList { timeline }))
    }

    /// What each exchange counted since the start: calls, refusals, and calls inside a ban that it had announced.
    #[oai(path = "/admin/calls", method = "get", operation_id = "list_calls")]
    async fn calls(&self, _caller: InternalCaller) -> Json<CallList> {
        Json(CallList { exchanges: self.simulation.calls() })
    }
}

fn known(name: &str) -> Result<&'static str, Problem> {
    let found = NAMES.iter().copied().find(|known| *known == name);
    found.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("There is no such exchange; there are {}.", NAMES.join(", ")))
    })
}
