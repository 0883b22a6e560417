use common::api::courses::CourseKind;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn time_at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn course(exchanger: &str, value: &str, observed_at: i64) -> Course {
    Course {
        exchanger: exchanger.to_owned(),
        direction: "BTC-USD".parse().unwrap(),
        kind: CourseKind::Trade,
        value: value.parse().unwrap(),
        bid: None,
        ask: None,
        observed_at: time_at(observed_at),
        simulated: false,
    }
}

#[test]
fn newest_course_of_each_series_is_selected_or_the_last_of_simultaneous_courses() {
    let sent =
        vec![course("b", "1", 5), course("a", "1", 7), course("a", "2", 9), course("a", "3", 9), course("a", "4", 8)];
    assert_eq!(newest_per_series(sent), [course("a", "3", 9), course("b", "1", 5)]);
}

#[test]
fn only_a_different_and_later_course_is_a_change() {
    let course_of = |value, observed_at| course("a", value, observed_at);
    let stored = CurrentCourse {
        series: 1,
        since: time_at(10),
        value: "5".parse().unwrap(),
        kind: CourseKind::Trade,
        simulated: false,
    };
    let current = HashMap::from([(SeriesKey::of(&course_of("5", 10)), stored)]);
    for (sent, changed) in [
        (course_of("5", 11), false),
        (course_of("6", 11), true),
        (course_of("6", 10), false),
        (course_of("6", 9), false),
        (Course { simulated: true, ..course_of("5", 11) }, true),
        (Course { kind: CourseKind::Index, ..course_of("5", 11) }, true),
    ] {
        assert_eq!(!select_changes(std::slice::from_ref(&sent), &current).is_empty(), changed, "{sent:?}");
    }
    assert_eq!(select_changes(&[course("b", "5", 1)], &current).pop().unwrap().replaces, None);
}

#[test]
fn each_invalid_field_is_listed() {
    let now = time_at(1_000_000_000_000_000);
    let skew = i64::try_from(MAX_CLOCK_SKEW.as_micros()).unwrap();
    let names = |courses: &[Course]| {
        validate_courses(courses, now)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|error| error.field)
            .collect::<Vec<_>>()
    };
    assert!(validate_courses(&[], now).is_ok());
    assert!(validate_courses(&[course("blockchain_info", "1", now.micros() + skew)], now).is_ok());
    assert_eq!(
        names(&[course("a", "1", 0), course("", "1", now.micros() + skew + 1)]),
        ["courses[1].exchanger", "courses[1].observed_at"]
    );
    assert_eq!(names(&[course("a", "1", -1)]), ["courses[0].observed_at"]);
    assert_eq!(names(&[course("a b", "1", 1)]), ["courses[0].exchanger"]);
    assert_eq!(names(&[course(&"a".repeat(32), "1", 1), course(&"a".repeat(33), "1", 1)]), ["courses[1].exchanger"]);
    assert_eq!(names(&vec![course("a", "1", 1); MAX_COURSES]), [""; 0]);
    assert_eq!(names(&vec![course("a", "1", 1); MAX_COURSES + 1]), ["courses"]);
    assert_eq!(names(&vec![course("", "1", 1); 100]).len(), MAX_ERRORS);
}

#[test]
fn buckets_start_at_whole_minutes() {
    for (time, start, next) in [
        (0, 0, 0),
        (1, 0, 60_000_000),
        (59_999_999, 0, 60_000_000),
        (60_000_000, 60_000_000, 60_000_000),
        (-1, -60_000_000, 0),
    ] {
        assert_eq!(
            (bucket_start(time_at(time), MINUTE), next_bucket_start(time_at(time), MINUTE)),
            (time_at(start), time_at(next)),
            "{time}"
        );
    }
}

#[test]
fn only_complete_buckets_are_aggregated_in_steps_of_limited_size() {
    let minutes = |n: i64| time_at(n * 60_000_000);
    let progress = |aggregated_until, settled_until, first_unaggregated| AggregationProgress {
        series: 1,
        aggregated_until,
        settled_until,
        first_unaggregated,
    };
    let until = |progress| due_aggregations(&[progress], MINUTE).pop().map(|range| range.until);
    // The minute of the newest course is not complete.
    assert_eq!(until(progress(minutes(5), time_at(minutes(5).micros() + 1), Some(minutes(5)))), None);
    assert_eq!(until(progress(minutes(5), minutes(7), Some(minutes(5)))), Some(minutes(7)));
    // A gap of years without courses needs no steps.
    let first = minutes(29_000_000);
    assert_eq!(until(progress(time_at(0), minutes(29_000_007), Some(first))), Some(minutes(29_000_007)));
    assert_eq!(until(progress(time_at(0), minutes(29_900_000), Some(first))), Some(minutes(29_000_060)));
    assert_eq!(until(progress(time_at(0), minutes(7), None)), Some(minutes(7)));
    assert_eq!(due_aggregations(&vec![progress(time_at(0), minutes(7), None); 100], MINUTE).len(), MAX_STEP_SERIES);
}
