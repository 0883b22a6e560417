use common::api::courses::CourseKind;

use super::*;
use crate::tests::fixtures::at;

#[test]
fn what_was_written_down_is_no_younger_than_it_is_known_to_be() {
    assert_eq!(snapshot_from_courses(vec![]), None);
    let past = |exchanger: &str, since, simulated| PastCourse {
        exchanger: exchanger.to_owned(),
        direction: "BTC-USD".parse().unwrap(),
        kind: CourseKind::Trade,
        value: "91000".parse().unwrap(),
        since: at(since),
        until: None,
        simulated,
    };
    let snapshot = snapshot_from_courses(vec![past("kraken", 7, false), past("okx", 3, true)]).unwrap();
    assert_eq!((snapshot.as_of, snapshot.simulated), (at(7), true));
    assert_eq!(snapshot.courses.iter().map(|course| course.observed_at).collect::<Vec<_>>(), [at(7), at(3)]);
}
