//! Builds the market snapshot of a poll interval, and selects the courses that db-proxy has not stored yet. A *course*
//! is the last price of one pair at one source.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::courses::{Course, MAX_COURSES, MAX_OFFICIAL_RATES, MarketSnapshot, NewCourses, SourcePairs},
    money::{CurrencyPair, Rate},
    time::Timestamp,
};
use tokio::time::Instant;

use crate::pricing::MarketPrices;

/// Time after which all courses are sent to db-proxy again.
const RESEND_AFTER: Duration = Duration::from_mins(5);

/// Builds the market snapshot, with at most [`MAX_COURSES`] courses, [`MAX_COURSES`] prices and [`MAX_OFFICIAL_RATES`]
/// official rates. `sources` are the active sources.
pub(crate) fn market_snapshot(
    as_of: Timestamp,
    mut courses: Vec<Course>,
    sources: Vec<SourcePairs>,
    market: MarketPrices,
) -> MarketSnapshot {
    courses.truncate(MAX_COURSES);
    let prices: Vec<_> = market.prices.into_values().take(MAX_COURSES).collect();
    let official = market.official.into_iter().take(MAX_OFFICIAL_RATES).collect();
    let simulated = courses.iter().any(|course| course.simulated) || prices.iter().any(|price| price.simulated);
    MarketSnapshot { as_of, simulated, courses, prices, official, sources }
}

/// The courses that this instance has stored in db-proxy.
#[derive(Debug, Default)]
pub(super) struct StoredCourses {
    courses: BTreeMap<CourseKey, CourseValues>,
    /// `None` before the first snapshot.
    valid: Option<Validity>,
}

/// The term of leadership in which the list was last cleared, and the time of the clearing.
#[derive(Debug, Clone, Copy)]
struct Validity {
    term: u64,
    since: Instant,
}

type CourseKey = (String, CurrencyPair);

/// The values by which a change of a course is detected. A course with a later time and the same values has not
/// changed.
#[derive(Debug, PartialEq, Eq)]
struct CourseValues {
    value: Rate,
    bid: Option<Rate>,
    ask: Option<Rate>,
    simulated: bool,
}

impl StoredCourses {
    /// Clears the list in a new term and after [`RESEND_AFTER`], so that all courses are sent again. This is necessary
    /// because a successful write does not prove that each course is stored: db-proxy ignores a course that is older than
    /// a course from another instance, whose clock can be ahead. Sending a stored course again has no effect.
    pub(super) fn expire(&mut self, term: u64, now: Instant) {
        let valid = self.valid.is_some_and(|valid| valid.term == term && now < valid.since + RESEND_AFTER);
        if !valid {
            *self = Self { courses: BTreeMap::new(), valid: Some(Validity { term, since: now }) };
        }
    }

    /// The courses that differ from the stored courses. `None` if no course differs.
    pub(super) fn changed(&self, snapshot: &MarketSnapshot) -> Option<NewCourses> {
        let changed = |course: &&Course| self.courses.get(&key(course)) != Some(&values(course));
        let courses: Vec<_> = snapshot.courses.iter().filter(changed).cloned().collect();
        (!courses.is_empty()).then_some(NewCourses { courses })
    }

    pub(super) fn mark_stored(&mut self, courses: &NewCourses) {
        self.courses.extend(courses.courses.iter().map(|course| (key(course), values(course))));
    }
}

fn key(course: &Course) -> CourseKey {
    (course.exchanger.clone(), course.direction)
}

fn values(course: &Course) -> CourseValues {
    let &Course { value, bid, ask, simulated, .. } = course;
    CourseValues { value, bid, ask, simulated }
}

#[cfg(test)]
mod tests;
