//! What stands between price-updater and an order, with no network: price-cache-proxy's store on a time that is told to go.

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

const NAME: &str = "the desk";

pub struct Desk {
    store: Store,
    clock: Clock,
    /// When each course was observed that was handed over to be written down.
    courses: Mutex<BTreeMap<(String, CurrencyPair), Timestamp>>,
    /// What must not happen and did.
    wrong: Mutex<Vec<String>>,
}

impl Desk {
    pub fn new(clock: Clock) -> Self {
        Self { store: Store::memory(), clock, courses: Mutex::default(), wrong: Mutex::default() }
    }

    pub fn board(&self) -> Option<Arc<Document<MarketSnapshot>>> {
        self.store.cache().latest().current(self.clock.now())
    }

    /// What went wrong since it was asked last.
    pub fn wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.wrong.lock().unwrap())
    }

    fn note(&self, wrong: String) {
        self.wrong.lock().unwrap().push(wrong);
    }
}

fn failed(error: &StoreError) -> CallError {
    CallError::InvalidResponse(NAME, error.to_string())
}

/// The documents that are held and their changes, as server-sent events.
fn events<T: Expiring + Send + Sync + 'static>(topic: Topic, latest: &Latest<T>) -> EventBytes {
    let changes = stream::unfold(latest.subscribe(), async |mut slot| {
        loop {
            slot.changed().await.ok()?;
            let newest = slot.borrow_and_update().clone();
            if let Some(document) = newest {
                return Some((document, slot));
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
impl DocumentSource for Desk {
    async fn fetch(&self, topic: Topic) -> Result<Bytes, CallError> {
        let (held, now) = (self.store.cache(), self.clock.now());
        let json = match topic {
            Topic::PriceRecord => held.latest::<PriceRecord>().current(now).map(|record| record.json().clone()),
            Topic::MarketSnapshot => held.latest::<MarketSnapshot>().current(now).map(|board| board.json().clone()),
        };
        Ok(json.unwrap_or_default())
    }

    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError> {
        let held = self.store.cache();
        let one = |&topic: &Topic| match topic {
            Topic::PriceRecord => events(topic, held.latest::<PriceRecord>()),
            Topic::MarketSnapshot => events(topic, held.latest::<MarketSnapshot>()),
        };
        let alive = stream::unfold((), async |()| {
            tokio::time::sleep(common::api::events::KEEP_ALIVE).await;
            Some((Ok(Bytes::from_static(b": alive\n\n")), ()))
        });
        Ok(stream::select(stream::select_all(topics.iter().map(one)), alive.boxed()).boxed())
    }
}

#[async_trait]
impl Upstreams for Desk {
    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError> {
        let kept = self.store.current::<PriceRecord>(self.clock.now()).await.map_err(|error| failed(&error))?;
        Ok(kept.map(|record| record.value().clone()))
    }

    async fn write_record(&self, write: &RecordWrite, _: Duration) -> Result<PriceRecord, CallError> {
        let now = self.clock.now();
        let record = write.record.clone().into_record(write.ttl, now).map_err(|errors| {
            self.note(format!("a record is refused: {errors:?}"));
            CallError::InvalidResponse(NAME, format!("{errors:?}"))
        })?;
        let kept =
            self.store.replace(Document::from_value(record).unwrap(), now).await.map_err(|error| failed(&error))?;
        Ok(kept.value().clone())
    }

    async fn write_snapshot(&self, board: &MarketSnapshot) -> Result<(), CallError> {
        let now = self.clock.now();
        if let Err(errors) = board.validate(now) {
            self.note(format!("a board is refused: {errors:?}"));
        }
        self.store.replace(Document::from_value(board.clone()).unwrap(), now).await.map_err(|error| failed(&error))?;
        Ok(())
    }

    async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        let mut written = self.courses.lock().unwrap();
        for course in &courses.courses {
            let at = (course.exchanger.clone(), course.direction);
            let before = written.insert(at, course.observed_at);
            if before.is_some_and(|before| before > course.observed_at) {
                self.note(format!("{} {} is handed over after a newer one", course.exchanger, course.direction));
            }
        }
        Ok(CoursesWritten { changed: courses.courses.len() as u64 })
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Lease, CallError> {
        let held = self.store.acquire_lease(name, holder, ttl).await.map_err(|error| failed(&error))?;
        Ok(Lease { name: name.to_owned(), holder: held.holder, expires_at: self.clock.now().plus(held.remaining) })
    }
}
