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
fn only_what_changed_is_news_and_stays_so_until_it_is_written() {
    let at = |courses: &[Course]| market_snapshot(Timestamp::now(), courses.to_vec(), MarketPrices::default());
    let mut stored = StoredCourses::default();
    let first = at(&[course("a", "1", 1), course("b", "2", 1)]);
    assert_eq!(stored.changed(&first).unwrap().courses, first.courses);
    stored.mark_stored(&stored.changed(&first).unwrap());
    // A later time alone is no news.
    assert_eq!(stored.changed(&at(&[course("a", "1", 2), course("b", "2", 2)])), None);
    let second = at(&[course("a", "1", 3), course("b", "3", 3)]);
    for _ in 0..2 {
        assert_eq!(stored.changed(&second).unwrap().courses, second.courses[1..]);
    }
    stored.mark_stored(&stored.changed(&second).unwrap());
    assert_eq!(stored.changed(&second), None);
}

#[test]
fn in_a_new_term_and_after_some_minutes_everything_is_news_again() {
    let shown = market_snapshot(Timestamp::now(), vec![course("a", "1", 1)], MarketPrices::default());
    let (mut stored, start) = (StoredCourses::default(), Instant::now());
    let mut news = |term, minutes| {
        stored.expire(term, start + Duration::from_mins(minutes));
        let news = stored.changed(&shown);
        news.map(|news| stored.mark_stored(&news)).is_some()
    };
    assert_eq!(
        [(1, 0), (1, 0), (1, 4), (1, 5), (1, 9), (2, 9), (2, 9)].map(|(term, minutes)| news(term, minutes)),
        [true, false, false, true, false, true, false]
    );
}
