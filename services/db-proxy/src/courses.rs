//! Stores changed courses, returns current courses and their history, and aggregates old courses into candles.
//!
//! A course is the last price of one pair at one exchange. The API calls the pair `direction` and the exchange `exchanger`.

pub mod policy;
mod retention;
mod routes;
pub mod store;

use std::{sync::Arc, time::Duration};

use common::{
    api::courses::{
        CourseFilter, CourseHistoryPage, CoursesWritten, CurrentCourses, HistoryCursor, MAX_HISTORY_PAGE, NewCourses,
        Resolution,
    },
    config::Live,
    time::{Clock, Timestamp},
};
use tokio::sync::Mutex;

pub use self::{
    retention::{CourseRetention, CourseRetentionSettings},
    routes::CourseRoutes,
    store::CourseStore,
};
use crate::{
    background::BackgroundTasks,
    clock_check::ClockCheck,
    database::{Database, DatabaseError},
    error::Error,
};

/// How long a request may wait for other requests that write courses.
const MAX_WRITE_WAIT: Duration = Duration::from_secs(2);

/// Builds the routes of courses, and adds the background tasks of courses to `tasks`.
pub fn build(
    database: &Database,
    retention: Live<CourseRetentionSettings>,
    clock_check: &ClockCheck,
    tasks: &mut BackgroundTasks,
) -> CourseRoutes {
    let store = CourseStore::new(database);
    tasks.add_retention(CourseRetention { store: store.clone(), settings: retention }, Clock::System);
    CourseRoutes(CourseService::new(store, clock_check.clone()))
}

/// Writes and reads courses.
#[derive(Clone)]
pub struct CourseService {
    store: CourseStore,
    clock_check: ClockCheck,
    /// Permits one write of courses at a time, so that waiting writes do not occupy the connections of other background
    /// work.
    write_lock: Arc<Mutex<()>>,
}

impl CourseService {
    pub fn new(store: CourseStore, clock_check: ClockCheck) -> Self {
        Self { store, clock_check, write_lock: Arc::default() }
    }

    /// Stores the courses that changed. A course that the request does not contain does not change.
    pub async fn write_courses(&self, request: NewCourses) -> Result<CoursesWritten, Error> {
        policy::validate_courses(&request.courses, self.clock_check.write_time()?).map_err(Error::Invalid)?;
        let courses = policy::newest_per_series(request.courses);
        if courses.is_empty() {
            return Ok(CoursesWritten { changed: 0 });
        }
        let guard = tokio::time::timeout(MAX_WRITE_WAIT, self.write_lock.lock()).await;
        let _guard = guard.map_err(|_| DatabaseError::TimedOut)?;
        Ok(CoursesWritten { changed: self.store.write_courses(&courses).await? })
    }

    pub async fn current_courses(&self) -> Result<CurrentCourses, Error> {
        Ok(CurrentCourses { courses: self.store.current_courses().await? })
    }

    /// A page of stored courses or candles. It contains at most `limit` and at most [`MAX_HISTORY_PAGE`] rows.
    pub async fn course_history(
        &self,
        filter: &CourseFilter,
        resolution: Resolution,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<CourseHistoryPage, Error> {
        let limit = limit.min(MAX_HISTORY_PAGE);
        let (mut courses, mut candles) = (Vec::new(), Vec::new());
        // Reads one row more than the page contains, to find out whether there is a next page.
        let next_cursor = match resolution.width() {
            None => {
                let rows = self.store.stored_courses(filter, cursor, limit + 1).await?;
                fill_page(rows, limit, &mut courses, |course| course.since)
            }
            Some(width) => {
                let rows = self.store.candles(filter, width, cursor, limit + 1).await?;
                fill_page(rows, limit, &mut candles, |candle| candle.start)
            }
        };
        Ok(CourseHistoryPage { resolution, courses, candles, next_cursor })
    }
}

/// Moves the first `limit` rows to the page. Returns the cursor of the next page if there are more rows.
fn fill_page<T>(
    rows: Vec<(i32, T)>,
    limit: u32,
    page: &mut Vec<T>,
    start_of: impl Fn(&T) -> Timestamp,
) -> Option<HistoryCursor> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    let mut last = None;
    for (series, row) in rows.into_iter().take(limit) {
        last = Some(HistoryCursor { series, start: start_of(&row) });
        page.push(row);
    }
    last.filter(|_| has_more)
}
