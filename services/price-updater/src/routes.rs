//! The HTTP API.
#![allow(clippy::unused_async, reason = "poem-openapi requires async handlers")]

use std::sync::Arc;

use common::{
    api::{
        Problem,
        sources::{SourcesOrder, SourcesReport},
    },
    server::{Json, Operator, UncheckedBody},
};
use poem_openapi::OpenApi;

use crate::{polling::ActiveSources, updater::Updater};

pub(crate) struct Routes {
    updater: Arc<Updater>,
    active_sources: Arc<ActiveSources>,
}

impl Routes {
    pub(crate) fn new(updater: Arc<Updater>) -> Self {
        let active_sources = updater.active_sources();
        Self { updater, active_sources }
    }

    fn current_order(&self) -> Json<SourcesOrder> {
        Json(SourcesOrder { sources: self.active_sources.names().into_iter().map(str::to_owned).collect() })
    }
}

#[OpenApi]
impl Routes {
    /// Returns the last prices, their age and the last errors of each active source.
    #[oai(path = "/sources", method = "get", operation_id = "list_sources")]
    async fn sources(&self, _caller: Operator) -> Result<Json<SourcesReport>, Problem> {
        Ok(Json(self.updater.report()))
    }

    /// Returns the active sources in their order.
    #[oai(path = "/sources/order", method = "get", operation_id = "sources_order")]
    async fn order(&self, _caller: Operator) -> Result<Json<SourcesOrder>, Problem> {
        Ok(self.current_order())
    }

    /// Makes exactly these sources active, in this order, from the next poll on. A restart returns to the configured
    /// sources.
    #[oai(path = "/sources/order", method = "put", operation_id = "set_sources_order")]
    async fn set_order(
        &self,
        _caller: Operator,
        order: UncheckedBody<SourcesOrder>,
    ) -> Result<Json<SourcesOrder>, Problem> {
        let order = order.or_problem(|order| self.active_sources.resolve(&order.sources).err().unwrap_or_default())?;
        self.active_sources.select(&order.sources).map_err(Problem::validation)?;
        Ok(self.current_order())
    }
}
