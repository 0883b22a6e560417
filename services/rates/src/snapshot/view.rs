//! A market snapshot together with the responses prepared from it. A market snapshot contains all courses and agreed prices at
//! one moment. A course is the last price of one pair at one exchange.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use common::{api::courses::MarketSnapshot, money::CurrencyPair};
use tokio::time::Instant;

use super::{
    catalogue::Catalogue,
    changes::changes_event,
    filter::SnapshotFilter,
    sorted::{SortedSnapshot, group_by_exchange},
    tagged_json::TaggedJson,
};
use crate::limits::MAX_FILTERED_RESPONSES;

/// The service that a snapshot was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotOrigin {
    /// price-cache-proxy: the newest snapshot of price-updater.
    PriceCache,
    /// db-proxy: stored courses, without agreed prices. Used only until the first snapshot arrives from price-cache-proxy.
    Database,
}

/// A snapshot with its serialized responses. Only the cache of filtered responses changes after the view is built.
#[derive(Debug)]
pub(crate) struct MarketSnapshotView {
    /// Position among the snapshots of this process, from 0.
    pub(crate) sequence: u64,
    pub(crate) origin: SnapshotOrigin,
    /// When the snapshot arrived, by the monotonic clock. The snapshot therefore expires even if the wall clock was set back.
    pub(crate) received_at: Instant,
    pub(crate) snapshot: SortedSnapshot,
    /// The exchanges and assets of this snapshot and of earlier snapshots.
    pub(crate) catalogue: Catalogue,
    /// The unfiltered stream event with the changes since the previous snapshot. `None` if nothing changed or if there is no
    /// previous snapshot.
    pub(crate) changes: Option<Bytes>,
    all_courses: TaggedJson,
    /// Each price with its votes, in the order of `snapshot.prices`.
    prices: Vec<TaggedJson>,
    filtered_courses: Mutex<HashMap<SnapshotFilter, TaggedJson>>,
}

impl MarketSnapshotView {
    /// Builds the view that follows `previous`.
    pub(crate) fn new(snapshot: MarketSnapshot, origin: SnapshotOrigin, previous: Option<&Self>) -> Self {
        let known = previous.map_or_else(Catalogue::default, |previous| previous.catalogue.clone());
        let catalogue = known.extended_by(&snapshot);
        let snapshot = SortedSnapshot::from(snapshot);
        let changes = previous
            .and_then(|previous| changes_event(Some(&previous.snapshot), &snapshot, &SnapshotFilter::default()));
        let all_courses = TaggedJson::new(&group_by_exchange(snapshot.courses.iter()));
        let prices = snapshot.prices.iter().map(TaggedJson::new).collect();
        Self {
            sequence: previous.map_or(0, |previous| previous.sequence + 1),
            origin,
            received_at: Instant::now(),
            snapshot,
            catalogue,
            changes,
            all_courses,
            prices,
            filtered_courses: Mutex::default(),
        }
    }

    /// The courses that match the filter, grouped by exchange.
    pub(crate) fn courses_json(&self, filter: SnapshotFilter) -> TaggedJson {
        if filter.matches_everything() {
            return self.all_courses.clone();
        }
        if let Some(json) = self.lock_filtered_courses().get(&filter) {
            return json.clone();
        }
        let matching = self.snapshot.courses.iter().filter(|course| filter.matches_course(course));
        let json = TaggedJson::new(&group_by_exchange(matching));
        let mut cache = self.lock_filtered_courses();
        if cache.len() < MAX_FILTERED_RESPONSES {
            cache.insert(filter, json.clone());
        }
        json
    }

    /// The agreed price of a pair with its votes. `None` if the snapshot has no entry for the pair.
    pub(crate) fn price_json(&self, pair: CurrencyPair) -> Option<TaggedJson> {
        self.snapshot.price_index(pair).map(|index| self.prices[index].clone())
    }

    fn lock_filtered_courses(&self) -> MutexGuard<'_, HashMap<SnapshotFilter, TaggedJson>> {
        // Entries are only inserted, so the map is consistent even after a panic.
        self.filtered_courses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
