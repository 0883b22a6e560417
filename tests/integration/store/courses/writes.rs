//! Writing courses: one current course for each exchange and pair, also with concurrent writers.

use common::api::courses::{Course, CourseKind};
use tests::{Stack, on_both_stacks};

use super::{
    Fixture, course,
    expected_courses::{ExpectedCourses, random_requests},
    time_at,
};

const WRITERS: usize = 16;
const REQUESTS: usize = 25;

on_both_stacks!(
    only_changed_course_is_written,
    partial_refresh_changes_only_sent_courses,
    older_observation_changes_nothing,
    newest_of_duplicate_courses_is_written,
    changed_kind_or_simulated_flag_is_written,
    random_requests_are_stored_as_expected,
    concurrent_writers_leave_one_current_course,
    large_request_is_written,
    readable_view_matches_api_values,
);

async fn only_changed_course_is_written(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    assert_eq!(fixture.write_courses(&[]).await, 0);
    assert_eq!(fixture.write_courses(&[course("kraken", "BTC-USD", "91000.5", time_at(0))]).await, 1);
    assert_eq!(fixture.write_courses(&[course("kraken", "BTC-USD", "91000.50", time_at(5))]).await, 0);
    assert_eq!(fixture.write_courses(&[course("kraken", "BTC-USD", "91000.51", time_at(10))]).await, 1);
    let stored = fixture.stored_courses().await;
    let shown: Vec<_> = stored.iter().map(|row| (row.value.to_string(), row.since, row.until)).collect();
    assert_eq!(
        shown,
        [("91000.50".to_owned(), time_at(0), Some(time_at(10))), ("91000.51".to_owned(), time_at(10), None),]
    );
    // A retry after a lost response changes nothing.
    assert_eq!(fixture.write_courses(&[course("kraken", "BTC-USD", "91000.51", time_at(10))]).await, 0);
    assert_eq!(fixture.check_courses().await, 2);
}

async fn partial_refresh_changes_only_sent_courses(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let all = [
        course("kraken", "BTC-USD", "1", time_at(0)),
        course("kraken", "BTC-EUR", "2", time_at(0)),
        course("binance", "BTC-USD", "3", time_at(0)),
    ];
    assert_eq!(fixture.write_courses(&all).await, 3);
    let before = fixture.stored_courses().await;
    assert_eq!(fixture.write_courses(&[course("kraken", "BTC-USD", "4", time_at(5))]).await, 1);
    let text = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        fixture.current_courses().await,
        [text("kraken", "BTC-EUR", "2.00"), text("binance", "BTC-USD", "3.00"), text("kraken", "BTC-USD", "4.00"),]
    );
    let after = fixture.stored_courses().await;
    let untouched = before.iter().filter(|row| row.value.to_string() != "1.00");
    assert!(untouched.into_iter().all(|row| after.contains(row)), "{before:?}\n{after:?}");
    fixture.check_courses().await;
}

async fn older_observation_changes_nothing(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    fixture.write_courses(&[course("kraken", "BTC-USD", "1", time_at(0))]).await;
    fixture.write_courses(&[course("kraken", "BTC-USD", "2", time_at(10))]).await;
    let before = fixture.stored_courses().await;
    for (value, seconds) in [("3", 9), ("1", 5), ("3", 0), ("3", -5), ("3", 10)] {
        assert_eq!(
            fixture.write_courses(&[course("kraken", "BTC-USD", value, time_at(seconds))]).await,
            0,
            "{seconds}"
        );
    }
    assert_eq!(fixture.stored_courses().await, before);
}

async fn newest_of_duplicate_courses_is_written(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let sent = [(3, "30"), (9, "90"), (9, "91"), (5, "50")];
    let sent = sent.map(|(seconds, value)| course("kraken", "BTC-USD", value, time_at(seconds)));
    assert_eq!(fixture.write_courses(&sent).await, 1);
    assert_eq!(fixture.current_courses().await[0].2, "91.00");
    assert_eq!(fixture.check_courses().await, 1);
}

async fn changed_kind_or_simulated_flag_is_written(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let first = course("kraken", "BTC-USD", "1", time_at(0));
    let simulated = Course { simulated: true, observed_at: time_at(1), ..first.clone() };
    let index = Course { kind: CourseKind::Index, observed_at: time_at(2), ..first.clone() };
    let fixing = Course { kind: CourseKind::Fixing, observed_at: time_at(3), ..first.clone() };
    for course in [first, simulated, index, fixing] {
        assert_eq!(fixture.write_courses(std::slice::from_ref(&course)).await, 1);
        let current = fixture.courses().current_courses().await.unwrap().courses.remove(0);
        assert_eq!((current.kind, current.simulated), (course.kind, course.simulated));
    }
    assert_eq!(fixture.check_courses().await, 4);
}

async fn random_requests_are_stored_as_expected(stack: Stack) {
    for seed in 0..4 {
        let fixture = Fixture::new(stack).await;
        let mut expected = ExpectedCourses::default();
        for request in random_requests(seed, 60) {
            assert_eq!(fixture.write_courses(&request).await, expected.write(&request), "seed {seed}: {request:?}");
        }
        assert_eq!(fixture.stored_courses().await, expected.courses(), "seed {seed}");
        fixture.check_courses().await;
    }
}

/// The observations of a series have different times and values, and arrive in any order. The newest observation
/// becomes the current course.
async fn concurrent_writers_leave_one_current_course(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let directions = ["BTC-USD", "BTC-EUR", "ETH-USD", "USDT-USD"];
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = fixture.another_course_store().await;
        writers.spawn(async move {
            let mut changed = 0;
            for n in 0..REQUESTS {
                let when = n * WRITERS + writer;
                let mut courses = directions.map(|direction| {
                    course("kraken", direction, &(when + 1).to_string(), time_at(i64::try_from(when).unwrap()))
                });
                // The writers list the series in different sequences. A store that locked rows in these sequences could
                // deadlock.
                courses.rotate_left(writer % directions.len());
                changed += store.write_courses(&courses).await.unwrap();
            }
            changed
        });
    }
    let changed: u64 = writers.join_all().await.into_iter().sum();
    let last = WRITERS * REQUESTS;
    let current = fixture.courses().current_courses().await.unwrap().courses;
    assert_eq!(current.len(), directions.len());
    for course in &current {
        assert_eq!(course.value, last.to_string().parse().unwrap(), "{course:?}");
        assert_eq!(course.since, time_at(i64::try_from(last - 1).unwrap()));
    }
    assert_eq!(fixture.check_courses().await as u64, changed);
}

async fn large_request_is_written(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let courses = |value: &str, seconds: i64| -> Vec<_> {
        (0..2000).map(|n| course(&format!("e{n}"), "BTC-USD", value, time_at(seconds))).collect()
    };
    assert_eq!(fixture.write_courses(&courses("1", 0)).await, 2000);
    assert_eq!(fixture.write_courses(&courses("1", 5)).await, 0);
    assert_eq!(fixture.write_courses(&courses("2", 10)).await, 2000);
    assert_eq!(fixture.check_courses().await, 4000);
}

async fn readable_view_matches_api_values(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    fixture.write_courses(&[course("kraken", "BTC-USD", "0.00000001", time_at(0))]).await;
    fixture.write_courses(&[course("kraken", "BTC-USD", "9999999999.99999999", time_at(1))]).await;
    let rows = fixture.query_text("select exchanger, direction, cast(value as text), kind from courses_readable").await;
    assert_eq!(
        rows,
        [["kraken", "BTC-USD", "9999999999.99999999", "trade"], ["kraken", "BTC-USD", "0.00000001", "trade"],]
    );
    let times = "select cast(since as text), coalesce(cast(until as text), 'none') from courses_readable";
    let times = fixture.query_text(times).await.concat().join(" ").replace(' ', "T");
    assert!(times.contains("2026-01-01T00:00:01") && times.contains("none"), "{times}");
}
