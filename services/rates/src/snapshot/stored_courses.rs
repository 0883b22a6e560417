//! The courses that db-proxy stored last, as a market snapshot.

use common::{
    api::courses::{Course, MarketSnapshot, PastCourse},
    clients::{CallError, db_proxy::DbProxyClient},
};

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
