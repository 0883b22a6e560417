//! The endpoints.
#![allow(clippy::unused_async, reason = "poem-openapi takes handlers that are async and no others")]

use std::sync::Arc;

use common::{
    api::{Problem, sources::SourcesReport},
    server::{InternalCaller, Json},
};
use poem_openapi::OpenApi;

use crate::updater::Updater;

pub(crate) struct Routes {
    updater: Arc<Updater>,
}

impl Routes {
    pub(crate) fn new(updater: Arc<Updater>) -> Self {
        Self { updater }
    }
}

#[OpenApi]
impl Routes {
    /// What each source told last, how long ago, and what went wrong.
    #[oai(path = "/sources", method = "get", operation_id = "list_sources")]
    async fn sources(&self, _caller: InternalCaller) -> Result<Json<SourcesReport>, Problem> {
        Ok(Json(self.updater.report()))
    }
}
