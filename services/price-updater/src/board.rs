//! The board of one slot, and what of it is news to db-proxy.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::courses::{Board, Course, MAX_COURSES, NewCourses},
    money::{Direction, Rate},
    time::Timestamp,
};

use tokio::time::Instant;

use crate::market::Market;

/// Puts together what is known at `as_of`.
pub(crate) fn board(as_of: Timestamp, mut courses: Vec<Course>, market: Market) -> Board {
    courses.truncate(MAX_COURSES);
    let prices: Vec<_> = market.prices.into_values().take(MAX_COURSES).collect();
    let simulated = courses.iter().any(|course| course.simulated) || prices.iter().any(|price| price.simulated);
    Board { as_of, simulated, courses, prices }
}

/// How long it is taken for granted that db-proxy has what it was handed.
const CERTAIN: Duration = Duration::from_mins(5);

/// What db-proxy has written down already, as far as this run knows.
#[derive(Debug, Default)]
pub(crate) struct Written {
    courses: BTreeMap<(String, Direction), Numbers>,
    /// In which term it was begun, and when.
    begun: Option<(u64, Instant)>,
}

type Numbers = (Rate, Option<Rate>, Option<Rate>, bool);

impl Written {
    /// Forgets all in a new term of this instance and every few minutes: db-proxy may have passed over what it was handed, for
    /// the sake of a newer one of another instance whose clock is ahead. To hand over twice what it has changes nothing there.
    pub(crate) fn doubt(&mut self, term: u64, now: Instant) {
        let certain = |&(of, since): &(u64, Instant)| of == term && now < since + CERTAIN;
        if self.begun.as_ref().is_none_or(|begun| !certain(begun)) {
            *self = Self { courses: BTreeMap::new(), begun: Some((term, now)) };
        }
    }

    /// The courses that differ from what was written down; nothing where none does.
    pub(crate) fn news(&self, board: &Board) -> Option<NewCourses> {
        let new = |course: &&Course| self.courses.get(&key(course)) != Some(&numbers(course));
        let courses: Vec<_> = board.courses.iter().filter(new).cloned().collect();
        (!courses.is_empty()).then_some(NewCourses { courses })
    }

    /// These are written down now.
    pub(crate) fn note(&mut self, courses: &NewCourses) {
        self.courses.extend(courses.courses.iter().map(|course| (key(course), numbers(course))));
    }
}

fn key(course: &Course) -> (String, Direction) {
    (course.exchanger.clone(), course.direction)
}

fn numbers(course: &Course) -> Numbers {
    (course.value, course.bid, course.ask, course.simulated)
}

#[cfg(test)]
mod tests {
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
        let at = |courses: &[Course]| board(Timestamp::now(), courses.to_vec(), Market::default());
        let mut written = Written::default();
        let first = at(&[course("a", "1", 1), course("b", "2", 1)]);
        assert_eq!(written.news(&first).unwrap().courses, first.courses);
        written.note(&written.news(&first).unwrap());
        // A later time alone is no news.
        assert_eq!(written.news(&at(&[course("a", "1", 2), course("b", "2", 2)])), None);
        let second = at(&[course("a", "1", 3), course("b", "3", 3)]);
        for _ in 0..2 {
            assert_eq!(written.news(&second).unwrap().courses, second.courses[1..]);
        }
        written.note(&written.news(&second).unwrap());
        assert_eq!(written.news(&second), None);
    }

    #[test]
    fn in_a_new_term_and_after_some_minutes_everything_is_news_again() {
        let shown = board(Timestamp::now(), vec![course("a", "1", 1)], Market::default());
        let (mut written, start) = (Written::default(), Instant::now());
        let mut news = |term, minutes| {
            written.doubt(term, start + Duration::from_mins(minutes));
            let news = written.news(&shown);
            news.map(|news| written.note(&news)).is_some()
        };
        assert_eq!(
            [(1, 0), (1, 0), (1, 4), (1, 5), (1, 9), (2, 9), (2, 9)].map(|(term, minutes)| news(term, minutes)),
            [true, false, false, true, false, true, false]
        );
    }
}
