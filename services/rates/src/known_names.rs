//! Checks the well-formed parameters of a request with a malformed parameter, so that one response names every invalid
//! parameter. The API calls a pair `direction` and an exchange `exchanger`.

use std::sync::Arc;

use common::{
    api::FieldError,
    clients::db_proxy::DbProxyClient,
    server::{CheckedValue, ParameterValue, ValueCheck},
};

use crate::{
    conversion::check_amount,
    error::Error,
    history::HistoryParams,
    snapshot::{Catalogue, FilterParams, SnapshotStore},
};

/// The names that filters, pairs and conversions may contain.
pub(crate) struct KnownNames {
    pub(crate) snapshots: Arc<SnapshotStore>,
    pub(crate) db_proxy: DbProxyClient,
}

impl KnownNames {
    async fn error_of(&self, parameter: ParameterValue<'_>) -> Option<FieldError> {
        let ParameterValue { operation, name, value } = parameter;
        let view = self.snapshots.newest().ok();
        let empty = Catalogue::default();
        let catalogue = view.as_ref().map_or(&empty, |view| &view.catalogue);
        // A chart shows past courses, so its pair can also be known from a stored course.
        if operation == "course_history" || (operation == "price_chart" && name == "direction") {
            return self.error_in_history(name, value, catalogue).await;
        }
        // Without a market snapshot, no name is known, and the request fails for this reason.
        view.as_ref()?;
        let text = Some(value.to_owned());
        let in_filter = |params: FilterParams| params.parse(catalogue).err()?.pop();
        match name {
            "exchangers" => in_filter(FilterParams { exchangers: text, ..FilterParams::default() }),
            "coins_from" => in_filter(FilterParams { coins_from: text, ..FilterParams::default() }),
            "coins_to" => in_filter(FilterParams { coins_to: text, ..FilterParams::default() }),
            "direction" if operation == "get_price" => catalogue.check_pair(name, &value.parse().ok()?).err(),
            "from" | "to" => catalogue.check_asset(name, &value.parse().ok()?).err(),
            "amount" => check_amount(value).err(),
            _ => None,
        }
    }

    /// The error of a parameter of the course history. The names of stored courses are valid, too.
    async fn error_in_history(&self, name: &str, value: &str, catalogue: &Catalogue) -> Option<FieldError> {
        let mut params = HistoryParams::default();
        match name {
            "exchangers" => params.exchangers = Some(value.to_owned()),
            "exchanger" => params.old_exchangers = Some(value.to_owned()),
            "direction" => params.direction = value.parse().ok(),
            _ => return None,
        }
        match params.validate(&self.db_proxy, catalogue).await {
            Err(Error::InvalidFields(mut errors)) => errors.pop(),
            // The parameter is valid, or db-proxy is unavailable and the names of stored courses are unknown.
            Ok(_) | Err(_) => None,
        }
    }
}

impl ValueCheck for KnownNames {
    fn check<'a>(&'a self, parameter: ParameterValue<'a>) -> CheckedValue<'a> {
        Box::pin(self.error_of(parameter))
    }
}
