//! The past, as db-proxy keeps it.

use common::{
    api::courses::{
        Candle, Course, CourseFilter, CourseHistoryPage, HistoryCursor, MarketSnapshot, PastCourse, Resolution,
    },
    clients::{CallError, db_proxy::DbProxyClient},
};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};

/// Where to go on from a page.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "Links")]
pub struct PageLinks {
    /// The next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next: Option<String>,
}

/// A page of the past, oldest first within each exchange and direction.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(rename = "PastPage")]
pub struct LinkedHistoryPage {
    pub resolution: Resolution,
    /// Each course as it was: at resolution `raw`, and empty at the others.
    pub courses: Vec<PastCourse>,
    /// At every resolution but `raw`.
    pub candles: Vec<Candle>,
    #[serde(rename = "_links")]
    #[oai(rename = "_links")]
    pub links: PageLinks,
    /// The cursor of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub next_cursor: Option<HistoryCursor>,
}

/// One page, with the way to the next.
pub(crate) async fn page(
    db_proxy: &DbProxyClient,
    filter: &CourseFilter,
    resolution: Resolution,
    cursor: Option<HistoryCursor>,
    limit: u32,
) -> Result<LinkedHistoryPage, CallError> {
    let page = db_proxy.course_history(filter, resolution, cursor, limit).await?;
    let CourseHistoryPage { resolution, courses, candles, next_cursor } = page;
    let next =
        next_cursor.map(|next| format!("/api/v1/courses/history?{}", filter.to_query(resolution, Some(next), limit)));
    Ok(LinkedHistoryPage { resolution, courses, candles, links: PageLinks { next }, next_cursor })
}

/// What was written down last, for a start at which nobody has a board yet. Nothing where nothing was ever written down.
pub(crate) async fn load_stored_snapshot(db_proxy: &DbProxyClient) -> Result<Option<MarketSnapshot>, CallError> {
    Ok(snapshot_from_courses(db_proxy.current_courses().await?))
}

fn snapshot_from_courses(actual: Vec<PastCourse>) -> Option<MarketSnapshot> {
    let as_of = actual.iter().map(|course| course.since).max()?;
    let simulated = actual.iter().any(|course| course.simulated);
    let courses = actual.into_iter().map(|course| {
        let PastCourse { exchanger, direction, kind, value, since, until: _, simulated } = course;
        // How long it stayed so is not written down: it is shown as old as it may be.
        Course { exchanger, direction, kind, value, bid: None, ask: None, observed_at: since, simulated }
    });
    Some(MarketSnapshot { as_of, simulated, courses: courses.collect(), prices: Vec::new() })
}

#[cfg(test)]
mod tests;
