//! A board as it is held: checked once, put in order, and its answers made before anybody asks.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use common::{
    api::{
        courses::{AgreedPrice, Course, MarketSnapshot},
        rates::{ExchangerCourses, ListedCourse},
    },
    money::CurrencyPair,
    time::Timestamp,
};
use poem::http::HeaderValue;
use serde::Serialize;

use crate::{
    limits::MAX_FILTERED_RESPONSES,
    snapshot::changes_event,
    snapshot::{catalogue::Catalogue, filter::SnapshotFilter},
};

/// A body of JSON that is made once and sent to many.
#[derive(Debug, Clone)]
pub(crate) struct TaggedJson {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
}

impl TaggedJson {
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
pub(crate) enum SnapshotOrigin {
    /// The newest board that price-updater made.
    PriceCacheClient,
    /// What db-proxy had written down, while there was no board yet: courses alone.
    Database,
}

/// A board with its answers.
#[derive(Debug)]
pub(crate) struct MarketSnapshotView {
    /// Counts the boards of this process.
    pub(crate) number: u64,
    pub(crate) origin: SnapshotOrigin,
    pub(crate) as_of: Timestamp,
    pub(crate) simulated: bool,
    /// By exchange and direction.
    pub(crate) courses: Vec<Course>,
    /// By direction.
    pub(crate) prices: Vec<AgreedPrice>,
    pub(crate) catalogue: Catalogue,
    /// What differs from the board before, for those who have seen that.
    pub(crate) changes: Option<Bytes>,
    all: TaggedJson,
    derivations: Vec<TaggedJson>,
    filtered: Mutex<HashMap<SnapshotFilter, TaggedJson>>,
}

impl MarketSnapshotView {
    pub(crate) fn new(snapshot: MarketSnapshot, origin: SnapshotOrigin, before: Option<&Self>) -> Self {
        let catalogue = before.map_or_else(Catalogue::default, |before| before.catalogue.clone()).with(&snapshot);
        let MarketSnapshot { as_of, simulated, mut courses, mut prices } = snapshot;
        courses.sort_by(|a, b| course_key(a).cmp(&course_key(b)));
        courses.dedup_by(|a, b| course_key(a) == course_key(b));
        prices.sort_by_key(|price| price.direction);
        prices.dedup_by_key(|price| price.direction);
        let all = TaggedJson::of(&group_by_exchange(courses.iter()));
        let derivations = prices.iter().map(TaggedJson::of).collect();
        let mut view = Self {
            number: before.map_or(0, |before| before.number + 1),
            origin,
            as_of,
            simulated,
            courses,
            prices,
            catalogue,
            changes: None,
            all,
            derivations,
            filtered: Mutex::default(),
        };
        view.changes = before.and_then(|before| changes_event(Some(before), &view, &SnapshotFilter::default()));
        view
    }

    /// The courses that pass, by exchange.
    pub(crate) fn courses(&self, filter: SnapshotFilter) -> TaggedJson {
        if filter.is_everything() {
            return self.all.clone();
        }
        if let Some(answer) = self.filtered().get(&filter) {
            return answer.clone();
        }
        let answer = TaggedJson::of(&group_by_exchange(self.courses.iter().filter(|course| filter.passes(course))));
        let mut filtered = self.filtered();
        if filtered.len() < MAX_FILTERED_RESPONSES {
            filtered.insert(filter, answer.clone());
        }
        answer
    }

    /// A map is whole even after a panic.
    fn filtered(&self) -> std::sync::MutexGuard<'_, HashMap<SnapshotFilter, TaggedJson>> {
        self.filtered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn price(&self, direction: CurrencyPair) -> Option<&AgreedPrice> {
        self.price_index(direction).map(|at| &self.prices[at])
    }

    /// The price with all that led to it, as it is sent.
    pub(crate) fn derivation(&self, direction: CurrencyPair) -> Option<TaggedJson> {
        self.price_index(direction).map(|at| self.derivations[at].clone())
    }

    fn price_index(&self, direction: CurrencyPair) -> Option<usize> {
        self.prices.binary_search_by_key(&direction, |price| price.direction).ok()
    }

    /// What exchanges tell of a direction.
    pub(crate) fn courses_of(&self, direction: CurrencyPair) -> impl Iterator<Item = &Course> {
        self.courses.iter().filter(move |course| course.direction == direction)
    }
}

/// What makes it this course and no other.
pub(crate) fn course_key(course: &Course) -> (&str, CurrencyPair) {
    (&course.exchanger, course.direction)
}

/// Courses by exchange; they come in the order of [`key`].
pub(crate) fn group_by_exchange<'a>(courses: impl Iterator<Item = &'a Course>) -> Vec<ExchangerCourses> {
    let mut groups: Vec<ExchangerCourses> = Vec::new();
    for course in courses {
        let shown = ListedCourse::from(course);
        match groups.last_mut().filter(|group| group.exchanger == course.exchanger) {
            Some(group) => group.courses.push(shown),
            None => groups.push(ExchangerCourses { exchanger: course.exchanger.clone(), courses: vec![shown] }),
        }
    }
    groups
}

/// A board that many read at once.
pub(crate) type SharedView = Arc<MarketSnapshotView>;

#[cfg(test)]
mod tests;
