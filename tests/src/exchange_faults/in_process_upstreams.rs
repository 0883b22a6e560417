//! An in-process replacement of price-cache-proxy and db-proxy for price-updater and create-order, in virtual time.
//! Price records, market snapshots and leases use the real store of price-cache-proxy. For each course, only the
//! observation time is stored.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::{
        courses::{CoursesWritten, MarketSnapshot, NewCourses},
        events::Topic,
        leases::Lease,
        prices::PriceRecord,
    },
    clients::{
        CallError,
        price_cache::{DocumentSource, EventBytes},
    },
    concurrency::latest::{Document, Latest},
    money::CurrencyPair,
    time::{Clock, Expiring, Timestamp},
};
use futures_util::{StreamExt, stream};
use price_cache_proxy::store::{Store, StoreError};
use price_updater::{RecordWrite, Upstreams};

/// The name of the service in errors.
const NAME: &str = "in-process upstreams";

pub struct InProcessUpstreams {
    store: Store,
    clock: Clock,
    /// The observation time that was written last, by exchange and pair.
    observed_at: Mutex<BTreeMap<(String, CurrencyPair), Timestamp>>,
    /// Invalid or outdated writes since the last call of [`InProcessUpstreams::take_violations`].
    violations: Mutex<Vec<String>>,
}

impl InProcessUpstreams {
    pub fn new(clock: Clock) -> Self {
        Self { store: Store::memory(), clock, observed_at: Mutex::default(), violations: Mutex::default() }
    }

    pub fn market_snapshot(&self) -> Option<Arc<Document<MarketSnapshot>>> {
        self.store.cache().latest().current(self.clock.now())
    }

    /// Returns and removes the recorded violations.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.violations.lock().unwrap())
    }

    fn record_violation(&self, violation: String) {
        self.violations.lock().unwrap().push(violation);
    }
}

fn store_failure(error: &StoreError) -> CallError {
    CallError::InvalidResponse(NAME, error.to_string())
}

/// The stored document and each newer document, as server-sent events.
fn events<T: Expiring + Send + Sync + 'static>(topic: Topic, latest: &Latest<T>) -> EventBytes {
    let changes = stream::unfold(latest.subscribe(), async |mut receiver| {
        loop {
            receiver.changed().await.ok()?;
            let newest = receiver.borrow_and_update().clone();
            if let Some(document) = newest {
                return Some((document, receiver));
            }
        }
    });
    let event = move |document: Arc<Document<T>>| {
        let json = String::from_utf8_lossy(document.json()).into_owned();
        Ok(Bytes::from(format!("event: {topic}\ndata: {json}\n\n")))
    };
    changes.map(event).boxed()
}

#[async_trait]
impl DocumentSource for InProcessUpstreams {
    async fn fetch_document(&self, topic: Topic) -> Result<Bytes, CallError> {
        let (cache, now) = (self.store.cache(), self.clock.now());
        let json = match topic {
            Topic::PriceRecord => cache.latest::<PriceRecord>().current(now).map(|record| record.json().clone()),
            Topic::MarketSnapshot => {
                cache.latest::<MarketSnapshot>().current(now).map(|snapshot| snapshot.json().clone())
            }
        };
        Ok(json.unwrap_or_default())
    }

    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError> {
        let cache = self.store.cache();
        let events_of = |&topic: &Topic| match topic {
            Topic::PriceRecord => events(topic, cache.latest::<PriceRecord>()),
            Topic::MarketSnapshot => events(topic, cache.latest::<MarketSnapshot>()),
        };
        let keep_alive = stream::unfold((), async |()| {
            tokio::time::sleep(common::api::events::KEEP_ALIVE).await;
            Some((Ok(Bytes::from_static(b": alive\n\n")), ()))
        });
        Ok(stream::select(stream::select_all(topics.iter().map(events_of)), keep_alive.boxed()).boxed())
    }
}

#[async_trait]
impl Upstreams for InProcessUpstreams {
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError> {
        let record =
            self.store.current::<PriceRecord>(self.clock.now()).await.map_err(|error| store_failure(&error))?;
        Ok(record.map(|record| record.value().clone()))
    }

    async fn write_record(&self, write: &RecordWrite, _: Duration) -> Result<PriceRecord, CallError> {
        let now = self.clock.now();
        let record = write.record.clone().into_record(write.ttl, now).map_err(|errors| {
            self.record_violation(format!("price-updater sent an invalid price record: {errors:?}"));
            CallError::InvalidResponse(NAME, format!("{errors:?}"))
        })?;
        let document = Document::from_value(record).unwrap();
        let current = self.store.replace(document, now).await.map_err(|error| store_failure(&error))?;
        Ok(current.value().clone())
    }

    async fn write_snapshot(&self, snapshot: &MarketSnapshot) -> Result<(), CallError> {
        let now = self.clock.now();
        if let Err(errors) = snapshot.validate(now) {
            self.record_violation(format!("price-updater sent an invalid market snapshot: {errors:?}"));
        }
        let document = Document::from_value(snapshot.clone()).unwrap();
        self.store.replace(document, now).await.map_err(|error| store_failure(&error))?;
        Ok(())
    }

    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        let mut observed_at = self.observed_at.lock().unwrap();
        for course in &courses.courses {
            let series = (course.exchanger.clone(), course.direction);
            let previous = observed_at.insert(series, course.observed_at);
            if previous.is_some_and(|previous| previous > course.observed_at) {
                let (exchange, pair) = (&course.exchanger, course.direction);
                self.record_violation(format!("a course of {exchange} for {pair} was written after a newer one"));
            }
        }
        Ok(CoursesWritten { changed: courses.courses.len() as u64 })
    }

    async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        let entry = self.store.acquire_lease(name, holder, ttl).await.map_err(|error| store_failure(&error))?;
        Ok(Lease { name: name.to_owned(), holder: entry.holder, expires_at: self.clock.now().plus(entry.remaining) })
    }
}
