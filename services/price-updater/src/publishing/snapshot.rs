//! The board of one slot, and what of it is news to db-proxy.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::courses::{Course, MAX_COURSES, MarketSnapshot, NewCourses},
    money::{CurrencyPair, Rate},
    time::Timestamp,
};

use tokio::time::Instant;

use crate::pricing::MarketPrices;

/// Puts together what is known at `as_of`.
pub(crate) fn market_snapshot(as_of: Timestamp, mut courses: Vec<Course>, market: MarketPrices) -> MarketSnapshot {
    courses.truncate(MAX_COURSES);
    let prices: Vec<_> = market.prices.into_values().take(MAX_COURSES).collect();
    let simulated = courses.iter().any(|course| course.simulated) || prices.iter().any(|price| price.simulated);
    MarketSnapshot { as_of, simulated, courses, prices }
}

/// How long it is taken for granted that db-proxy has what it was handed.
const RESEND_AFTER: Duration = Duration::from_mins(5);

/// What db-proxy has written down already, as far as this run knows.
#[derive(Debug, Default)]
pub(crate) struct StoredCourses {
    courses: BTreeMap<(String, CurrencyPair), Numbers>,
    /// In which term it was begun, and when.
    begun: Option<(u64, Instant)>,
}

type Numbers = (Rate, Option<Rate>, Option<Rate>, bool);

impl StoredCourses {
    /// Forgets all in a new term of this instance and every few minutes: db-proxy may have passed over what it was handed, for
    /// the sake of a newer one of another instance whose clock is ahead. To hand over twice what it has changes nothing there.
    pub(crate) fn expire(&mut self, term: u64, now: Instant) {
        let certain = |&(of, since): &(u64, Instant)| of == term && now < since + RESEND_AFTER;
        if self.begun.as_ref().is_none_or(|begun| !certain(begun)) {
            *self = Self { courses: BTreeMap::new(), begun: Some((term, now)) };
        }
    }

    /// The courses that differ from what was written down; nothing where none does.
    pub(crate) fn changed(&self, board: &MarketSnapshot) -> Option<NewCourses> {
        let new = |course: &&Course| self.courses.get(&key(course)) != Some(&numbers(course));
        let courses: Vec<_> = board.courses.iter().filter(new).cloned().collect();
        (!courses.is_empty()).then_some(NewCourses { courses })
    }

    /// These are written down now.
    pub(crate) fn mark_stored(&mut self, courses: &NewCourses) {
        self.courses.extend(courses.courses.iter().map(|course| (key(course), numbers(course))));
    }
}

fn key(course: &Course) -> (String, CurrencyPair) {
    (course.exchanger.clone(), course.direction)
}

fn numbers(course: &Course) -> Numbers {
    (course.value, course.bid, course.ask, course.simulated)
}

#[cfg(test)]
mod tests;
