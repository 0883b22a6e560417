//! Courses: written down where they changed, shown as they are and as they were, and made smaller as they age.

pub mod retention;
mod routes;
pub mod rules;

use std::{sync::Arc, time::Duration};

use common::{
    api::courses::{
        ActualCourses, CourseFilter, CourseHistoryPage, CoursesWritten, HistoryCursor, MAX_HISTORY_PAGE, NewCourses,
        Resolution,
    },
    time::Clock,
};
use tokio::sync::Mutex;

pub use self::routes::CoursesApi;
use crate::{
    error::Error,
    store::{Store, StoreError},
};

/// How long courses may wait for others that are being written down.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Keeps courses.
#[derive(Clone)]
pub struct Courses {
    store: Store,
    clock: Clock,
    /// One request at a time: orders share the connections, and must find no queue there.
    writing: Arc<Mutex<()>>,
}

impl Courses {
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, writing: Arc::default() }
    }

    /// Writes down what changed; what is not sent stays as it is.
    pub async fn write(&self, sent: NewCourses) -> Result<CoursesWritten, Error> {
        rules::check(&sent.courses, self.clock.now()).map_err(Error::Invalid)?;
        let courses = rules::newest(sent.courses);
        if courses.is_empty() {
            return Ok(CoursesWritten { changed: 0 });
        }
        let turn = tokio::time::timeout(MAX_WAIT, self.writing.lock()).await;
        let _turn = turn.map_err(|_| StoreError::TimedOut)?;
        Ok(CoursesWritten { changed: self.store.write_courses(&courses).await? })
    }

    pub async fn actual(&self) -> Result<ActualCourses, Error> {
        Ok(ActualCourses { courses: self.store.actual_courses().await? })
    }

    /// A page of the past; `limit` is cut to [`MAX_HISTORY_PAGE`].
    pub async fn history(
        &self,
        filter: &CourseFilter,
        resolution: Resolution,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<CourseHistoryPage, Error> {
        let limit = limit.min(MAX_HISTORY_PAGE);
        // One more than is shown tells whether there is a next page.
        let (mut courses, mut candles) = (Vec::new(), Vec::new());
        let next_cursor = match resolution.width() {
            None => {
                let rows = self.store.past_courses(filter, cursor, limit + 1).await?;
                cut(rows, limit, &mut courses, |course| course.since)
            }
            Some(width) => {
                let rows = self.store.candles(filter, width, cursor, limit + 1).await?;
                cut(rows, limit, &mut candles, |candle| candle.start)
            }
        };
        Ok(CourseHistoryPage { resolution, courses, candles, next_cursor })
    }
}

/// Puts the first `limit` rows on the page, and says where the next one starts if there are more.
fn cut<T>(
    rows: Vec<(i32, T)>,
    limit: u32,
    page: &mut Vec<T>,
    start: impl Fn(&T) -> common::time::Timestamp,
) -> Option<HistoryCursor> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    let mut last = None;
    for (series, row) in rows.into_iter().take(limit) {
        last = Some(HistoryCursor { series, start: start(&row) });
        page.push(row);
    }
    last.filter(|_| more)
}
