//! Tests of the snapshot that is built from stored courses. A course is the last price of one pair at one exchange. The API
//! calls the pair `direction` and the exchange `exchanger`.

use common::api::courses::CourseKind;

use super::*;
use crate::tests::fixtures::time_at;

#[test]
fn field_since_of_a_stored_course_becomes_its_observation_time() {
    assert_eq!(snapshot_from_courses(vec![]), None);
    let stored = |exchanger: &str, since, simulated| StoredCourse {
        exchanger: exchanger.to_owned(),
        direction: "BTC-USD".parse().unwrap(),
        kind: CourseKind::Trade,
        value: "91000".parse().unwrap(),
        since: time_at(since),
        until: None,
        simulated,
    };
    let snapshot = snapshot_from_courses(vec![stored("kraken", 7, false), stored("okx", 3, true)]).unwrap();
    assert_eq!((snapshot.as_of, snapshot.simulated), (time_at(7), true));
    let observed: Vec<_> = snapshot.courses.iter().map(|course| course.observed_at).collect();
    assert_eq!(observed, [time_at(7), time_at(3)]);
}
