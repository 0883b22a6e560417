//! Market snapshots, courses and prices for tests. A course is the last price of one pair at one exchange.

use std::time::Duration;

use common::{
    api::courses::{AgreedPrice, Course, CourseKind, MarketSnapshot, Method},
    time::Timestamp,
};

/// The time `seconds` after a fixed start.
pub(crate) fn time_at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

pub(crate) fn course(exchanger: &str, pair: &str, value: &str) -> Course {
    Course {
        exchanger: exchanger.to_owned(),
        direction: pair.parse().unwrap(),
        kind: CourseKind::Trade,
        value: value.parse().unwrap(),
        bid: None,
        ask: None,
        observed_at: time_at(0),
        simulated: false,
    }
}

pub(crate) fn agreed_price(pair: &str, price: &str) -> AgreedPrice {
    AgreedPrice {
        direction: pair.parse().unwrap(),
        method: Method::Median,
        price: Some(price.parse().unwrap()),
        refused: None,
        bid: None,
        ask: None,
        low: None,
        high: None,
        as_of: Some(time_at(0)),
        state: None,
        expires_at: None,
        prolongable_until: None,
        age_secs: None,
        simulated: false,
        votes: Vec::new(),
        legs: Vec::new(),
        official_day: None,
    }
}

pub(crate) fn snapshot(as_of: Timestamp, courses: Vec<Course>, prices: Vec<AgreedPrice>) -> MarketSnapshot {
    let simulated = courses.iter().any(|course| course.simulated) || prices.iter().any(|price| price.simulated);
    MarketSnapshot { as_of, simulated, courses, prices, official: Vec::new(), sources: Vec::new() }
}
