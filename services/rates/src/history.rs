//! Past courses, as db-proxy stores them.

use common::{
    api::{
        courses::{CourseFilter, CourseHistoryPage, HistoryCursor, Resolution},
        pages::PageLinks,
        rates::LinkedHistoryPage,
    },
    clients::{CallError, db_proxy::DbProxyClient},
};

/// Reads one page and adds the link to the next one.
pub(crate) async fn load_page(
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
