//! A board as it is held: checked once, put in order, and its answers made before anybody asks.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use common::{
    api::courses::{AgreedPrice, Course, MarketSnapshot},
    money::CurrencyPair,
    time::Timestamp,
};
use poem::http::HeaderValue;
use serde::Serialize;

use crate::{
    changes::changes,
    filter::{Filter, Known},
    limits::MAX_FILTERED,
    wire::{ExchangerCourses, ShownCourse},
};

/// A body of JSON that is made once and sent to many.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

impl Answer {
    fn of(value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).expect("a board is plain text");
        // By what it says alone, so that every instance of the service names the same answer the same way.
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).expect("digits in quotes");
        Self { body: body.into(), etag }
    }
}

/// Where what is shown comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The newest board that price-updater made.
    Board,
    /// What db-proxy had written down, while there was no board yet: courses alone.
    Stored,
}

/// A board with its answers.
#[derive(Debug)]
pub(crate) struct Held {
    /// Counts the boards of this process.
    pub(crate) number: u64,
    pub(crate) origin: Origin,
    pub(crate) as_of: Timestamp,
    pub(crate) simulated: bool,
    /// By exchange and direction.
    pub(crate) courses: Vec<Course>,
    /// By direction.
    pub(crate) prices: Vec<AgreedPrice>,
    pub(crate) known: Known,
    /// What differs from the board before, for those who have seen that.
    pub(crate) news: Option<Bytes>,
    all: Answer,
    derivations: Vec<Answer>,
    filtered: Mutex<HashMap<Filter, Answer>>,
}

impl Held {
    pub(crate) fn new(board: MarketSnapshot, origin: Origin, before: Option<&Self>) -> Self {
        let known = before.map_or_else(Known::default, |before| before.known.clone()).with(&board);
        let MarketSnapshot { as_of, simulated, mut courses, mut prices } = board;
        courses.sort_by(|a, b| key(a).cmp(&key(b)));
        courses.dedup_by(|a, b| key(a) == key(b));
        prices.sort_by_key(|price| price.direction);
        prices.dedup_by_key(|price| price.direction);
        let all = Answer::of(&grouped(courses.iter()));
        let derivations = prices.iter().map(Answer::of).collect();
        let mut held = Self {
            number: before.map_or(0, |before| before.number + 1),
            origin,
            as_of,
            simulated,
            courses,
            prices,
            known,
            news: None,
            all,
            derivations,
            filtered: Mutex::default(),
        };
        held.news = before.and_then(|before| changes(Some(before), &held, &Filter::default()));
        held
    }

    /// The courses that pass, by exchange.
    pub(crate) fn courses(&self, filter: Filter) -> Answer {
        if filter.is_everything() {
            return self.all.clone();
        }
        if let Some(answer) = self.filtered().get(&filter) {
            return answer.clone();
        }
        let answer = Answer::of(&grouped(self.courses.iter().filter(|course| filter.passes(course))));
        let mut filtered = self.filtered();
        if filtered.len() < MAX_FILTERED {
            filtered.insert(filter, answer.clone());
        }
        answer
    }

    /// A map is whole even after a panic.
    fn filtered(&self) -> std::sync::MutexGuard<'_, HashMap<Filter, Answer>> {
        self.filtered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn price(&self, direction: CurrencyPair) -> Option<&AgreedPrice> {
        self.at(direction).map(|at| &self.prices[at])
    }

    /// The price with all that led to it, as it is sent.
    pub(crate) fn derivation(&self, direction: CurrencyPair) -> Option<Answer> {
        self.at(direction).map(|at| self.derivations[at].clone())
    }

    fn at(&self, direction: CurrencyPair) -> Option<usize> {
        self.prices.binary_search_by_key(&direction, |price| price.direction).ok()
    }

    /// What exchanges tell of a direction.
    pub(crate) fn told(&self, direction: CurrencyPair) -> impl Iterator<Item = &Course> {
        self.courses.iter().filter(move |course| course.direction == direction)
    }
}

/// What makes it this course and no other.
pub(crate) fn key(course: &Course) -> (&str, CurrencyPair) {
    (&course.exchanger, course.direction)
}

/// Courses by exchange; they come in the order of [`key`].
pub(crate) fn grouped<'a>(courses: impl Iterator<Item = &'a Course>) -> Vec<ExchangerCourses> {
    let mut groups: Vec<ExchangerCourses> = Vec::new();
    for course in courses {
        let shown = ShownCourse::from(course);
        match groups.last_mut().filter(|group| group.exchanger == course.exchanger) {
            Some(group) => group.courses.push(shown),
            None => groups.push(ExchangerCourses { exchanger: course.exchanger.clone(), courses: vec![shown] }),
        }
    }
    groups
}

/// A board that many read at once.
pub(crate) type Shared = Arc<Held>;

#[cfg(test)]
mod tests;
