//! Courses, the last prices of pairs at exchanges: only changes are stored, history is read in pages, and old rows are
//! aggregated into candles.

mod expected_courses;
mod history;
mod retention;
mod writes;

use std::time::Duration;

use common::{
    api::courses::{
        Candle, Course, CourseFilter, CourseHistoryPage, CourseKind, HistoryCursor, NewCourses, Resolution,
        StoredCourse,
    },
    time::Timestamp,
};
use db_proxy::courses::CourseService;

use super::{Fixture, unchecked_clock};

/// The time `seconds` after 2026-01-01T00:00:00Z.
fn time_at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap()
}

fn course(exchanger: &str, direction: &str, value: &str, observed_at: Timestamp) -> Course {
    Course {
        exchanger: exchanger.to_owned(),
        direction: direction.parse().unwrap(),
        kind: CourseKind::Trade,
        value: value.parse().unwrap(),
        bid: None,
        ask: None,
        observed_at,
        simulated: false,
    }
}

impl Fixture {
    fn courses(&self) -> CourseService {
        CourseService::new(self.course_store.clone(), unchecked_clock())
    }

    /// Writes courses, and returns how many changed.
    async fn write_courses(&self, courses: &[Course]) -> u64 {
        self.courses().write_courses(NewCourses { courses: courses.to_vec() }).await.unwrap().changed
    }

    /// The current courses as exchanger, direction and value.
    async fn current_courses(&self) -> Vec<(String, String, String)> {
        let courses = self.courses().current_courses().await.unwrap().courses;
        assert!(courses.iter().all(|course| course.until.is_none()), "{courses:?}");
        courses
            .into_iter()
            .map(|course| (course.exchanger, course.direction.to_string(), course.value.to_string()))
            .collect()
    }

    /// Reads all pages, each of at most `limit` rows.
    async fn all_pages(
        &self,
        filter: &CourseFilter,
        resolution: Resolution,
        limit: u32,
    ) -> (Vec<StoredCourse>, Vec<Candle>) {
        let (mut courses, mut candles, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = self.page(filter, resolution, cursor, limit).await;
            courses.extend(page.courses);
            candles.extend(page.candles);
            match page.next_cursor {
                Some(next) => {
                    assert!(cursor.replace(next).is_none_or(|last| last < next), "the cursor does not advance");
                }
                None => return (courses, candles),
            }
        }
    }

    async fn page(
        &self,
        filter: &CourseFilter,
        resolution: Resolution,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> CourseHistoryPage {
        let page = self.courses().course_history(filter, resolution, cursor, limit).await.unwrap();
        assert!(page.courses.len() + page.candles.len() <= limit as usize);
        page
    }

    /// All stored courses, without candles.
    async fn stored_courses(&self) -> Vec<StoredCourse> {
        self.all_pages(&CourseFilter::default(), Resolution::Raw, 1000).await.0
    }

    /// Aggregates all rows that can be aggregated.
    async fn aggregate_all(&self) {
        for resolution in [Resolution::Minute, Resolution::Hour, Resolution::Day] {
            while self.course_store.aggregate_courses(resolution).await.unwrap() > 0 {}
        }
    }

    /// Deletes rows of `resolution` whose end is `time` or earlier, in steps of at most 100, until no more rows can be
    /// deleted. Returns the number of deleted rows.
    async fn delete_ended_by(&self, resolution: Resolution, time: Timestamp) -> u64 {
        let mut total = 0;
        loop {
            let deleted = self.course_store.delete_courses(resolution, time, 100).await.unwrap();
            assert!(deleted <= 100);
            total += deleted;
            if deleted == 0 {
                return total;
            }
        }
    }

    /// Asserts the invariants of the tables. Only the last course of a series has no end. Every earlier course ends
    /// where the next one begins, and two adjacent courses differ. Returns the number of courses.
    async fn check_courses(&self) -> usize {
        let stored = self.stored_courses().await;
        for pair in stored.windows(2) {
            let [course, next] = pair else { unreachable!() };
            if (&course.exchanger, course.direction) == (&next.exchanger, next.direction) {
                assert_eq!(course.until, Some(next.since), "{course:?}\n{next:?}");
                assert_ne!((course.value, course.kind, course.simulated), (next.value, next.kind, next.simulated));
            } else {
                assert_eq!(course.until, None, "{course:?}");
            }
        }
        assert!(stored.last().is_none_or(|last| last.until.is_none()));
        let several_current = "
            select cast(count(*) as text) from (
                select series_id from courses where until is null group by series_id having count(*) > 1
            ) several";
        assert_eq!(self.query_text(several_current).await, [["0"]]);
        let counts = "
            select cast((select count(*) from course_series) as text),
                cast((select count(*) from courses where until is null) as text),
                cast((select count(*) from courses) as text)";
        let counts = self.query_text(counts).await.remove(0);
        assert_eq!(counts[0], counts[1], "a series has no current course");
        assert_eq!(counts[2], stored.len().to_string());
        stored.len()
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
