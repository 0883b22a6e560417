//! Which sources are asked, and in which order: switched in a running service.
//!
//! The order means something: it is the one in which courses are shown, and of the official rates of one currency that agree
//! with most of the others the first counts.

use std::sync::Arc;

use common::{
    api::{FieldError, Problem, courses::CourseKind, sources::SourcesOrder},
    server::{InternalCaller, Json},
};
use poem_openapi::OpenApi;
use tokio::sync::watch;

/// The sources that are asked, each by its place in the list of all that were built.
pub(crate) struct ActiveSources {
    /// Every source that can be switched on, and what it tells.
    known: Vec<(&'static str, CourseKind)>,
    /// How many of those that are asked have to vote on prices, at least.
    min_voters: usize,
    order: watch::Sender<Arc<[usize]>>,
}

impl ActiveSources {
    /// Of `known`, the first `active` ones are asked until that is changed; at least `min_voters` of them always vote.
    pub(crate) fn new(known: Vec<(&'static str, CourseKind)>, active: usize, min_voters: usize) -> Self {
        let order = (0..active.min(known.len())).collect();
        Self { known, min_voters, order: watch::Sender::new(order) }
    }

    /// Places in the list of all sources, of those that are asked, in their order.
    pub(crate) fn order(&self) -> Arc<[usize]> {
        self.order.borrow().clone()
    }

    /// The names of the sources that are asked, in their order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.order().iter().filter_map(|&place| Some(self.known.get(place)?.0)).collect()
    }

    /// Asks these and no others from the next round on, or says what is wrong with the list.
    pub(crate) fn switch(&self, names: &[String]) -> Result<(), FieldError> {
        let wrong = |why: String| FieldError::new("sources", why);
        if names.is_empty() {
            return Err(wrong("must name at least one source".to_owned()));
        }
        let mut order = Vec::new();
        for name in names {
            let place = self.known.iter().position(|(known, _)| known == name);
            let known = || self.known.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
            let place = place.ok_or_else(|| wrong(format!("must be of {}", known())))?;
            if order.contains(&place) {
                return Err(wrong(format!("must name {name} once")));
            }
            order.push(place);
        }
        let votes = |&&place: &&usize| self.known.get(place).is_some_and(|(_, kind)| *kind != CourseKind::Fixing);
        let (voting, needed) = (order.iter().filter(votes).count(), self.min_voters);
        if voting < needed {
            return Err(wrong(format!(
                "must name at least {needed} that vote, and not official rates, but has {voting}"
            )));
        }
        if *self.order() != *order {
            tracing::info!(sources = names.join(","), before = self.names().join(","), "other sources are asked now");
            self.order.send_replace(order.into());
        }
        Ok(())
    }

    fn shown(&self) -> Json<SourcesOrder> {
        Json(SourcesOrder { sources: self.names().into_iter().map(str::to_owned).collect() })
    }
}

/// The endpoints of the active_sources.
pub(crate) struct ActiveSourcesRoutes(pub(crate) Arc<ActiveSources>);

#[OpenApi]
impl ActiveSourcesRoutes {
    /// The sources that are asked, in their order.
    #[oai(path = "/sources/order", method = "get", operation_id = "sources_order")]
    async fn order(&self, _caller: InternalCaller) -> Result<Json<SourcesOrder>, Problem> {
        Ok(self.0.shown())
    }

    /// Asks these sources from the next round on, in this order, and no others. A restart goes back to the settings.
    #[oai(path = "/sources/order", method = "put", operation_id = "set_sources_order")]
    async fn switch(&self, _caller: InternalCaller, order: Json<SourcesOrder>) -> Result<Json<SourcesOrder>, Problem> {
        self.0.switch(&order.0.sources).map_err(|error| Problem::validation(vec![error]))?;
        Ok(self.0.shown())
    }
}

#[cfg(test)]
mod tests;
