//! Tests of the selection of courses that db-proxy has not stored yet. The API calls the pair `direction` and the
//! exchange `exchanger`.

use common::api::courses::CourseKind;

use super::*;

fn course(exchanger: &str, value: &str, second: i64) -> Course {
    Course {
        exchanger: exchanger.to_owned(),
        direction: "BTC-USD".parse().unwrap(),
        kind: CourseKind::Trade,
        value: value.parse().unwrap(),
        bid: None,
        ask: None,
        observed_at: Timestamp::from_micros(second * 1_000_000).unwrap(),
        simulated: false,
    }
}

#[test]
fn changed_courses_are_sent_until_they_are_stored() {
    let snapshot =
        |courses: &[Course]| market_snapshot(Timestamp::now(), courses.to_vec(), vec![], MarketPrices::default());
    let mut stored = StoredCourses::default();
    let first = snapshot(&[course("a", "1", 1), course("b", "2", 1)]);
    assert_eq!(stored.changed(&first).unwrap().courses, first.courses);
    stored.mark_stored(&stored.changed(&first).unwrap());
    // Courses with a later time and the same values have not changed.
    assert_eq!(stored.changed(&snapshot(&[course("a", "1", 2), course("b", "2", 2)])), None);
    let second = snapshot(&[course("a", "1", 3), course("b", "3", 3)]);
    for _ in 0..2 {
        assert_eq!(stored.changed(&second).unwrap().courses, second.courses[1..]);
    }
    stored.mark_stored(&stored.changed(&second).unwrap());
    assert_eq!(stored.changed(&second), None);
}

#[test]
fn stored_courses_are_sent_again_in_a_new_term_of_leadership_and_after_five_minutes() {
    let snapshot = market_snapshot(Timestamp::now(), vec![course("a", "1", 1)], vec![], MarketPrices::default());
    let (mut stored, start) = (StoredCourses::default(), Instant::now());
    let mut sends = |term, minutes| {
        stored.expire(term, start + Duration::from_mins(minutes));
        let changed = stored.changed(&snapshot);
        changed.map(|changed| stored.mark_stored(&changed)).is_some()
    };
    assert_eq!(
        [(1, 0), (1, 0), (1, 4), (1, 5), (1, 9), (2, 9), (2, 9)].map(|(term, minutes)| sends(term, minutes)),
        [true, false, false, true, false, true, false]
    );
}
