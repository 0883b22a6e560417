//! Pulling plugs: which exchange fails, how, and for how long.
#![allow(clippy::unused_async, reason = "poem-openapi takes handlers that are async and no others")]

use std::sync::Arc;

use common::{
    api::{Code, FieldError, Problem},
    http::{InternalCaller, Json},
    time::Timestamp,
};
use poem_openapi::{ApiResponse, Object, OpenApi, param::Path};
use serde::Serialize;

use crate::{
    exchanges::NAMES,
    faults::{ActiveFault, Fault, Faults, NewFault},
};

pub(crate) struct Admin {
    faults: Arc<Faults>,
}

/// What is wrong at the moment.
#[derive(Debug, Object, Serialize)]
struct FaultList {
    /// The exchanges there are.
    exchanges: Vec<String>,
    faults: Vec<ActiveFault>,
}

#[derive(ApiResponse)]
enum Ended {
    /// Nothing is wrong with it any more.
    #[oai(status = 204)]
    Ended,
}

impl Admin {
    pub(crate) fn new(faults: Arc<Faults>) -> Self {
        Self { faults }
    }
}

#[OpenApi]
impl Admin {
    /// The faults that are there now.
    #[oai(path = "/admin/faults", method = "get", operation_id = "list_faults")]
    async fn list(&self, _caller: InternalCaller) -> Json<FaultList> {
        let exchanges = NAMES.iter().map(|name| (*name).to_owned()).collect();
        Json(FaultList { exchanges, faults: self.faults.all(Timestamp::now()) })
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
        let fault = Fault::new(&fault.0, Timestamp::now())
            .map_err(|error| Problem::validation(vec![FieldError::new(error.field(), error)]))?;
        let active = self.faults.set(exchange, fault);
        tracing::info!(exchange, fault = ?fault.kind, until = %fault.until, "a fault was set");
        Ok(Json(active))
    }

    /// Ends the fault of an exchange, if there is one.
    #[oai(path = "/admin/faults/:exchange", method = "delete", operation_id = "end_fault")]
    async fn end(&self, _caller: InternalCaller, exchange: Path<String>) -> Result<Ended, Problem> {
        let exchange = known(&exchange.0)?;
        self.faults.end(exchange);
        tracing::info!(exchange, "a fault was ended");
        Ok(Ended::Ended)
    }
}

fn known(name: &str) -> Result<&'static str, Problem> {
    let found = NAMES.iter().copied().find(|known| *known == name);
    found.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("There is no such exchange; there are {}.", NAMES.join(", ")))
    })
}
