//! The HTTP endpoints of courses, the last prices of pairs at exchanges. A request must contain the token of a service
//! that has the permission of the endpoint; see `common/src/server/internal_caller.rs`.

use common::{
    api::{
        FieldError, Problem,
        courses::{
            CourseFilter, CourseHistoryPage, CoursesWritten, CurrentCourses, DEFAULT_HISTORY_PAGE, HistoryCursor,
            INTERNAL_EXCHANGERS, NewCourses, Resolution,
        },
        filters::check_period,
    },
    money::CurrencyPair,
    server::{HistoryReader, Json, PriceWriter},
    time::Timestamp,
};
use poem_openapi::{OpenApi, param::Query};

use super::{CourseService, policy::validate_exchanger};
use crate::error::Error;

pub struct CourseRoutes(pub CourseService);

#[OpenApi]
impl CourseRoutes {
    /// Stores the courses that changed.
    ///
    /// Courses that the request does not contain do not change. A course that was not observed later than the current course is
    /// ignored. If the request contains several courses of an exchange and direction, only the newest is used.
    #[oai(path = "/courses", method = "post", operation_id = "write_courses")]
    async fn write_courses(
        &self,
        _caller: PriceWriter,
        body: Json<NewCourses>,
    ) -> Result<Json<CoursesWritten>, Problem> {
        Ok(Json(self.0.write_courses(body.0).await?))
    }

    /// Returns the current course of each exchange and direction.
    #[oai(path = "/courses", method = "get", operation_id = "actual_courses")]
    async fn current_courses(&self, _caller: HistoryReader) -> Result<Json<CurrentCourses>, Problem> {
        Ok(Json(self.0.current_courses().await?))
    }

    /// Returns the courses of a period, or their candles.
    ///
    /// Rows of the same exchange and direction are listed together, oldest first. With `raw`, the first course of each
    /// exchange and direction is the course that was in effect at `from`.
    #[oai(path = "/courses/history", method = "get", operation_id = "course_history")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn course_history(
        &self,
        _caller: HistoryReader,
        #[oai(default = "raw")] resolution: Query<Resolution>,
        direction: Query<Option<CurrencyPair>>,
        /// The names of exchanges, separated by commas.
        exchanger: Query<Option<String>>,
        from: Query<Option<Timestamp>>,
        to: Query<Option<Timestamp>>,
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<HistoryCursor>>,
    ) -> Result<Json<CourseHistoryPage>, Problem> {
        let exchangers = exchanger.0.map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default();
        let filter = CourseFilter { exchangers, direction: direction.0, from: from.0, to: to.0 };
        validate_filter(&filter).map_err(Error::Invalid)?;
        Ok(Json(self.0.course_history(&filter, resolution.0, cursor.0, limit.0).await?))
    }
}

fn validate_filter(filter: &CourseFilter) -> Result<(), Vec<FieldError>> {
    let invalid_name = filter.exchangers.iter().find_map(|name| validate_exchanger(name).err());
    let invalid_name = invalid_name.map(|reason| FieldError::new(INTERNAL_EXCHANGERS, reason));
    let errors: Vec<_> = [invalid_name, check_period(filter.from, filter.to)].into_iter().flatten().collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn raw() -> Resolution {
    Resolution::Raw
}

fn default_page() -> u32 {
    DEFAULT_HISTORY_PAGE
}
