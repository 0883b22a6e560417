//! Courses: written down where they changed, shown as they were, and made smaller as they age.

mod expected_courses;
mod history;
mod retention;
mod writes;

use std::time::Duration;

use common::{
    api::courses::{
        Candle, Course, CourseFilter, CourseHistoryPage, CourseKind, HistoryCursor, NewCourses, PastCourse, Resolution,
    },
    time::{Clock, Timestamp},
};
use db_proxy::courses::CourseService;

use super::Fixture;

/// Times in these tests, in seconds since a midnight some days ago.
fn at(seconds: i64) -> Timestamp {
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
        CourseService::new(self.course_store.clone(), Clock::System)
    }

    /// Writes courses down; how many changed.
    async fn write(&self, courses: &[Course]) -> u64 {
        self.courses().write(NewCourses { courses: courses.to_vec() }).await.unwrap().changed
    }

    /// What is actual, as exchanger, direction and value.
    async fn actual(&self) -> Vec<(String, String, String)> {
        let courses = self.courses().actual().await.unwrap().courses;
        assert!(courses.iter().all(|course| course.until.is_none()), "{courses:?}");
        courses.into_iter().map(|c| (c.exchanger, c.direction.to_string(), c.value.to_string())).collect()
    }

    /// Goes through all pages of so many.
    async fn walk(&self, filter: &CourseFilter, resolution: Resolution, limit: u32) -> (Vec<PastCourse>, Vec<Candle>) {
        let (mut courses, mut candles, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = self.page(filter, resolution, cursor, limit).await;
            courses.extend(page.courses);
            candles.extend(page.candles);
            match page.next_cursor {
                Some(next) => assert!(cursor.replace(next).is_none_or(|last| last < next), "the walk stands still"),
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
        let page = self.courses().history(filter, resolution, cursor, limit).await.unwrap();
        assert!(page.courses.len() + page.candles.len() <= limit as usize);
        page
    }

    /// Everything that is kept of courses at its finest.
    async fn past(&self) -> Vec<PastCourse> {
        self.walk(&CourseFilter::default(), Resolution::Raw, 1000).await.0
    }

    /// Folds all that is over.
    async fn fold(&self) {
        for width in [Resolution::Minute, Resolution::Hour, Resolution::Day] {
            while self.course_store.fold_courses(width).await.unwrap() > 0 {}
        }
    }

    /// Removes what ended before `before` of this; how many rows there were.
    async fn forget(&self, what: Resolution, before: Timestamp) -> u64 {
        let mut all = 0;
        loop {
            let some = self.course_store.remove_courses(what, before, 100).await.unwrap();
            assert!(some <= 100);
            all += some;
            if some == 0 {
                return all;
            }
        }
    }

    /// What can be said of the tables whatever was done: each series has one actual course, which is its last; each other
    /// one ends where the next begins, and the next says something else. Gives how many rows there are.
    async fn check_courses(&self) -> usize {
        let past = self.past().await;
        for pair in past.windows(2) {
            let [one, next] = pair else { unreachable!() };
            if (&one.exchanger, one.direction) == (&next.exchanger, next.direction) {
                assert_eq!(one.until, Some(next.since), "{one:?}\n{next:?}");
                assert_ne!((one.value, one.kind, one.simulated), (next.value, next.kind, next.simulated));
            } else {
                assert_eq!(one.until, None, "{one:?}");
            }
        }
        assert!(past.last().is_none_or(|last| last.until.is_none()));
        let twice = "
            select cast(count(*) as text) from (
                select series_id from courses where until is null group by series_id having count(*) > 1
            ) twice";
        assert_eq!(self.look(twice).await, [["0"]]);
        let counts = "
            select cast((select count(*) from course_series) as text),
                cast((select count(*) from courses where until is null) as text),
                cast((select count(*) from courses) as text)";
        let counts = self.look(counts).await.remove(0);
        assert_eq!(counts[0], counts[1], "a series has no actual course");
        assert_eq!(counts[2], past.len().to_string());
        past.len()
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
