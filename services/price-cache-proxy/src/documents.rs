//! Documents: the newest price record and the newest market snapshot, each until it expires. The price record contains
//! the prices that orders use. The market snapshot contains all courses and agreed prices at one moment.

use std::{sync::Arc, time::Duration};

use common::{
    api::{
        FieldError,
        courses::MarketSnapshot,
        prices::{NewPriceRecord, PriceRecord},
    },
    concurrency::latest::Document,
    metrics::Metrics,
    time::Timestamp,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::{
    error::Error,
    store::{CachedKind, Store, StoreError},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    result: &'static str,
}

type WriteCounter = Family<WriteLabels, Counter>;

/// Validates and stores documents.
pub(crate) struct DocumentService {
    store: Store,
    record_writes: WriteCounter,
    snapshot_writes: WriteCounter,
}

impl DocumentService {
    pub(crate) fn new(store: Store, metrics: &Metrics) -> Self {
        let (record_writes, snapshot_writes) = (WriteCounter::default(), WriteCounter::default());
        metrics.register("price_record_writes", "Price records received, by result", record_writes.clone());
        metrics.register("board_writes", "Market snapshots received, by result", snapshot_writes.clone());
        Self { store, record_writes, snapshot_writes }
    }

    /// The newest document, if it is current at `now`: it has not expired, and it is not from the future.
    pub(crate) async fn current<T: CachedKind>(&self, now: Timestamp) -> Result<Option<Arc<Document<T>>>, Error> {
        Ok(self.store.current(now).await?)
    }

    /// Stores the record, unless the store already has a newer record that is current. Returns the record that the
    /// store has afterwards.
    pub(crate) async fn put_record(
        &self,
        new: NewPriceRecord,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Arc<Document<PriceRecord>>, Error> {
        match new.into_record(ttl, now) {
            Ok(record) => self.replace(record, now, &self.record_writes).await,
            Err(errors) => Err(count_refusal(errors, &self.record_writes)),
        }
    }

    /// Stores the snapshot, unless the store already has a newer snapshot that is current. Returns the snapshot that
    /// the store has afterwards.
    pub(crate) async fn put_snapshot(
        &self,
        snapshot: MarketSnapshot,
        now: Timestamp,
    ) -> Result<Arc<Document<MarketSnapshot>>, Error> {
        match snapshot.validate(now) {
            Ok(()) => self.replace(snapshot, now, &self.snapshot_writes).await,
            Err(errors) => Err(count_refusal(errors, &self.snapshot_writes)),
        }
    }

    async fn replace<T: CachedKind>(
        &self,
        value: T,
        now: Timestamp,
        writes: &WriteCounter,
    ) -> Result<Arc<Document<T>>, Error> {
        let version = value.version();
        let stored = match Document::from_value(value) {
            Ok(document) => self.store.replace(document, now).await,
            Err(error) => Err(StoreError::Unreadable(error)),
        };
        let result = match &stored {
            Ok(stored) if stored.value().version() == version => "kept",
            Ok(_) => "too_old",
            Err(_) => "failed",
        };
        writes.get_or_create(&WriteLabels { result }).inc();
        Ok(stored?)
    }
}

fn count_refusal(errors: Vec<FieldError>, writes: &WriteCounter) -> Error {
    writes.get_or_create(&WriteLabels { result: "refused" }).inc();
    Error::InvalidFields(errors)
}
