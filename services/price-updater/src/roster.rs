//! Which sources are asked, and in which order: switched in a running service.
//!
//! The order means something: it is the one in which courses are shown, and of the official rates of one currency that agree
//! with most of the others the first counts.

use std::sync::Arc;

use common::{
    api::{FieldError, Problem, prices::SourcesOrder},
    http::{InternalCaller, Json},
};
use poem_openapi::OpenApi;
use tokio::sync::watch;

/// The sources that are asked, each by its place in the list of all that were built.
pub(crate) struct Roster {
    /// Every source that can be switched on.
    known: Vec<&'static str>,
    order: watch::Sender<Arc<[usize]>>,
}

impl Roster {
    /// Of `known`, the first `active` ones are asked until that is changed.
    pub(crate) fn new(known: Vec<&'static str>, active: usize) -> Self {
        let order = (0..active.min(known.len())).collect();
        Self { known, order: watch::Sender::new(order) }
    }

    /// Places in the list of all sources, of those that are asked, in their order.
    pub(crate) fn order(&self) -> Arc<[usize]> {
        self.order.borrow().clone()
    }

    /// The names of the sources that are asked, in their order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.order().iter().filter_map(|&place| self.known.get(place).copied()).collect()
    }

    /// Asks these and no others from the next round on, or says what is wrong with the list.
    pub(crate) fn switch(&self, names: &[String]) -> Result<(), FieldError> {
        let wrong = |why: String| FieldError::new("sources", why);
        if names.is_empty() {
            return Err(wrong("must name at least one source".to_owned()));
        }
        let mut order = Vec::new();
        for name in names {
            let place = self.known.iter().position(|known| known == name);
            let place = place.ok_or_else(|| wrong(format!("must be of {}", self.known.join(", "))))?;
            if order.contains(&place) {
                return Err(wrong(format!("must name {name} once")));
            }
            order.push(place);
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

/// The endpoints of the roster.
pub(crate) struct RosterRoutes(pub(crate) Arc<Roster>);

#[OpenApi]
impl RosterRoutes {
    /// The sources that are asked, in their order.
    #[oai(path = "/sources/order", method = "get", operation_id = "sources_order")]
    async fn order(&self, _caller: InternalCaller) -> Json<SourcesOrder> {
        self.0.shown()
    }

    /// Asks these sources from the next round on, in this order, and no others. A restart goes back to the settings.
    #[oai(path = "/sources/order", method = "put", operation_id = "set_sources_order")]
    async fn switch(&self, _caller: InternalCaller, order: Json<SourcesOrder>) -> Result<Json<SourcesOrder>, Problem> {
        self.0.switch(&order.0.sources).map_err(|error| Problem::validation(vec![error]))?;
        Ok(self.0.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(roster: &Roster, names: &[&str]) -> Result<(), String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        roster.switch(&names).map_err(|error| error.message)
    }

    #[test]
    fn sources_are_switched_off_and_on_and_put_in_another_order() {
        let roster = Roster::new(vec!["kraken", "ecb", "cbr"], 2);
        assert_eq!(roster.names(), ["kraken", "ecb"]);
        switch(&roster, &["cbr", "kraken"]).unwrap();
        assert_eq!((roster.names(), &*roster.order()), (vec!["cbr", "kraken"], &[2, 0][..]));
    }

    #[test]
    fn a_list_that_makes_no_sense_changes_nothing() {
        let roster = Roster::new(vec!["kraken", "ecb"], 2);
        for names in [&[][..], &["mtgox"], &["kraken", "mtgox"], &["kraken", "kraken"]] {
            assert!(switch(&roster, names).is_err(), "{names:?}");
        }
        assert_eq!(roster.names(), ["kraken", "ecb"]);
    }
}
