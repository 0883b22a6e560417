//! Builds a snapshot from the current courses in db-proxy, for a start without price-cache-proxy. A course is the last price of
//! one pair at one exchange.

use common::{
    api::courses::{Course, MarketSnapshot, StoredCourse},
    clients::{CallError, db_proxy::DbProxyClient},
};

/// Reads the current courses from db-proxy. Returns `None` if db-proxy stores no courses.
pub(crate) async fn load_stored_snapshot(db_proxy: &DbProxyClient) -> Result<Option<MarketSnapshot>, CallError> {
    Ok(snapshot_from_courses(db_proxy.current_courses().await?))
}

fn snapshot_from_courses(current: Vec<StoredCourse>) -> Option<MarketSnapshot> {
    let as_of = current.iter().map(|course| course.since).max()?;
    let simulated = current.iter().any(|course| course.simulated);
    let courses = current.into_iter().map(|course| {
        let StoredCourse { exchanger, direction, kind, value, since, until: _, simulated } = course;
        // The database stores when a course began, but not when it was last observed. The last observation was at `since`
        // or later.
        Course { exchanger, direction, kind, value, bid: None, ask: None, observed_at: since, simulated }
    });
    Some(MarketSnapshot {
        as_of,
        simulated,
        courses: courses.collect(),
        prices: Vec::new(),
        official: Vec::new(),
        sources: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
