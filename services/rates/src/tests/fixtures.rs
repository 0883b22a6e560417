//! Boards for tests.

use std::time::Duration;

use common::{
    api::courses::{AgreedPrice, Course, CourseKind, MarketSnapshot, Method},
    time::Timestamp,
};

/// `secs` seconds after the time that these tests begin at.
pub(crate) fn at(secs: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(secs))
}

pub(crate) fn course(exchanger: &str, direction: &str, value: &str) -> Course {
    Course {
        exchanger: exchanger.to_owned(),
        direction: direction.parse().unwrap(),
        kind: CourseKind::Trade,
        value: value.parse().unwrap(),
        bid: None,
        ask: None,
        observed_at: at(0),
        simulated: false,
    }
}

pub(crate) fn price(direction: &str, price: &str) -> AgreedPrice {
    AgreedPrice {
        direction: direction.parse().unwrap(),
        method: Method::Median,
        price: Some(price.parse().unwrap()),
        refused: None,
        bid: None,
        ask: None,
        low: None,
        high: None,
        as_of: Some(at(0)),
        simulated: false,
        votes: Vec::new(),
        legs: Vec::new(),
    }
}

pub(crate) fn snapshot(as_of: Timestamp, courses: Vec<Course>, prices: Vec<AgreedPrice>) -> MarketSnapshot {
    let simulated = courses.iter().any(|course| course.simulated) || prices.iter().any(|price| price.simulated);
    MarketSnapshot { as_of, simulated, courses, prices }
}
