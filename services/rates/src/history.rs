//! The past, as db-proxy keeps it.

use common::{
    api::{
        courses::{CourseFilter, CourseHistoryPage, HistoryCursor, Resolution},
        rates::{LinkedHistoryPage, PageLinks},
    },
    clients::{CallError, db_proxy::DbProxyClient},
};

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
