//! Past courses, which are read from db-proxy. A course is the last price of one pair at one exchange. The API calls
//! the pair `direction` and the exchange `exchanger`.

use common::{
    api::{
        FieldError,
        courses::{CourseFilter, CourseHistoryPage, EXCHANGERS, HistoryCursor, Resolution},
        filters::check_period,
        pages::PageLinks,
        parameters::AsSent,
        rates::LinkedHistoryPage,
    },
    clients::{CallError, db_proxy::DbProxyClient},
    money::CurrencyPair,
    time::Timestamp,
};

use crate::{
    error::Error,
    snapshot::{Catalogue, parse_names},
};

/// The old name of the parameter [`EXCHANGERS`], which takes the same values.
const OLD_EXCHANGERS: &str = "exchanger";

/// The query parameters that select a part of the history.
#[derive(Debug, Clone, Default)]
pub(crate) struct HistoryParams {
    pub(crate) exchangers: Option<String>,
    pub(crate) old_exchangers: Option<String>,
    pub(crate) direction: Option<AsSent<CurrencyPair>>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

impl HistoryParams {
    /// Checks the parameters. Names in `catalogue` are valid. If a parameter is invalid, the names of all stored
    /// courses are read from db-proxy. These names are valid, too.
    pub(crate) async fn validate(
        &self,
        db_proxy: &DbProxyClient,
        catalogue: &Catalogue,
    ) -> Result<CourseFilter, Error> {
        if let Ok(filter) = self.parse(catalogue) {
            return Ok(filter);
        }
        // An exchange that is no longer polled still has past courses.
        let stored = db_proxy.current_courses().await?;
        self.parse(&catalogue.clone().extended_by_stored(&stored)).map_err(Error::InvalidFields)
    }

    /// Fails with one error for each invalid parameter.
    fn parse(&self, catalogue: &Catalogue) -> Result<CourseFilter, Vec<FieldError>> {
        let mut errors = Vec::new();
        let (field, names) = match (&self.exchangers, &self.old_exchangers) {
            (Some(_), Some(_)) => {
                let reason = format!("is the old name of {EXCHANGERS}; send only one of them");
                errors.push(FieldError::new(OLD_EXCHANGERS, reason));
                (EXCHANGERS, self.exchangers.as_deref())
            }
            (None, Some(names)) => (OLD_EXCHANGERS, Some(names.as_str())),
            (names, None) => (EXCHANGERS, names.as_deref()),
        };
        let exchangers = parse_names(field, names, catalogue.exchangers(), &mut |error| errors.push(error), |name| {
            Some(name.to_ascii_lowercase())
        });
        errors.extend(self.direction.as_ref().and_then(|pair| catalogue.check_pair("direction", pair).err()));
        errors.extend(check_period(self.from, self.to));
        if !errors.is_empty() {
            return Err(errors);
        }
        let exchangers = exchangers.into_iter().flatten().collect();
        let direction = self.direction.as_ref().map(|pair| pair.value);
        Ok(CourseFilter { exchangers, direction, from: self.from, to: self.to })
    }
}

/// Reads one page and adds the link to the next page.
pub(crate) async fn load_page(
    db_proxy: &DbProxyClient,
    filter: &CourseFilter,
    resolution: Resolution,
    cursor: Option<HistoryCursor>,
    limit: u32,
) -> Result<LinkedHistoryPage, CallError> {
    let page = db_proxy.course_history(filter, resolution, cursor, limit).await?;
    let CourseHistoryPage { resolution, courses, candles, next_cursor } = page;
    let query = |next| filter.to_query(EXCHANGERS, resolution, Some(next), limit);
    let next = next_cursor.map(|next| format!("/api/v1/courses/history?{}", query(next)));
    Ok(LinkedHistoryPage { resolution, courses, candles, links: PageLinks { next }, next_cursor })
}

#[cfg(test)]
mod tests;
