//! What db-proxy serves of courses; all of it wants the internal token.

use common::{
    api::{
        FieldError, Problem,
        courses::{
            ActualCourses, CourseFilter, CourseHistoryPage, CoursesWritten, DEFAULT_HISTORY_PAGE, HistoryCursor,
            NewCourses, Resolution,
        },
    },
    money::CurrencyPair,
    server::{InternalCaller, Json},
    time::Timestamp,
};
use poem_openapi::{OpenApi, param::Query};

use super::{Courses, rules::check_exchanger};
use crate::error::Error;

pub struct CoursesApi(pub Courses);

#[OpenApi]
impl CoursesApi {
    /// Writes courses down where they changed.
    ///
    /// Courses that are not sent stay as they are. One that was not observed later than the actual one changes nothing; where
    /// an exchange and direction is sent twice, the newest counts.
    #[oai(path = "/courses", method = "post", operation_id = "write_courses")]
    async fn write_courses(
        &self,
        _caller: InternalCaller,
        body: Json<NewCourses>,
    ) -> Result<Json<CoursesWritten>, Problem> {
        Ok(Json(self.0.write(body.0).await?))
    }

    /// The course of each exchange and direction as it is now.
    #[oai(path = "/courses", method = "get", operation_id = "actual_courses")]
    async fn actual_courses(&self, _caller: InternalCaller) -> Result<Json<ActualCourses>, Problem> {
        Ok(Json(self.0.actual().await?))
    }

    /// Courses of the past, as they were or as candles.
    ///
    /// Oldest first within each exchange and direction, one of them after the other. With `raw`, the first course of each is
    /// the one that was true at `from`.
    #[oai(path = "/courses/history", method = "get", operation_id = "course_history")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn course_history(
        &self,
        _caller: InternalCaller,
        #[oai(default = "raw")] resolution: Query<Resolution>,
        direction: Query<Option<CurrencyPair>>,
        exchanger: Query<Option<String>>,
        from: Query<Option<Timestamp>>,
        to: Query<Option<Timestamp>>,
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<HistoryCursor>>,
    ) -> Result<Json<CourseHistoryPage>, Problem> {
        let filter = CourseFilter { exchanger: exchanger.0, direction: direction.0, from: from.0, to: to.0 };
        check(&filter).map_err(Error::Invalid)?;
        Ok(Json(self.0.history(&filter, resolution.0, cursor.0, limit.0).await?))
    }
}

fn check(filter: &CourseFilter) -> Result<(), Vec<FieldError>> {
    let mut errors = Vec::new();
    if let Some(Err(reason)) = filter.exchanger.as_deref().map(check_exchanger) {
        errors.push(FieldError::new("exchanger", reason));
    }
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from >= to
    {
        errors.push(FieldError::new("to", "must be later than from"));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn raw() -> Resolution {
    Resolution::Raw
}

fn default_page() -> u32 {
    DEFAULT_HISTORY_PAGE
}
