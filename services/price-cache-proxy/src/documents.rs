//! Keeping documents: of each kind the newest one, until it runs out.

use std::{sync::Arc, time::Duration};

use common::{
    api::{
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

type Writes = Family<WriteLabels, Counter>;

pub(crate) struct DocumentService {
    store: Store,
    record_writes: Writes,
    snapshot_writes: Writes,
}

impl DocumentService {
    pub(crate) fn new(store: Store, metrics: &Metrics) -> Self {
        let (record_writes, snapshot_writes) = (Writes::default(), Writes::default());
        let records = "Price records that were sent, by what became of them";
        metrics.register("price_record_writes", records, record_writes.clone());
        metrics.register("board_writes", "Boards that were sent, by what became of them", snapshot_writes.clone());
        Self { store, record_writes, snapshot_writes }
    }

    /// The document that may be used at `now`.
    pub(crate) async fn current<T: CachedKind>(&self, now: Timestamp) -> Result<Option<Arc<Document<T>>>, Error> {
        Ok(self.store.current(now).await?)
    }

    /// Keeps the record unless a newer one is there; answers with the one that is kept now.
    pub(crate) async fn add_record(
        &self,
        new: NewPriceRecord,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Arc<Document<PriceRecord>>, Error> {
        match new.into_record(ttl, now) {
            Ok(record) => self.keep(record, now, &self.record_writes).await,
            Err(errors) => Err(refused(errors, &self.record_writes)),
        }
    }

    /// Keeps the board unless a newer one is there; answers with the one that is kept now.
    pub(crate) async fn add_snapshot(
        &self,
        board: MarketSnapshot,
        now: Timestamp,
    ) -> Result<Arc<Document<MarketSnapshot>>, Error> {
        match board.validate(now) {
            Ok(()) => self.keep(board, now, &self.snapshot_writes).await,
            Err(errors) => Err(refused(errors, &self.snapshot_writes)),
        }
    }

    async fn keep<T: CachedKind>(&self, value: T, now: Timestamp, writes: &Writes) -> Result<Arc<Document<T>>, Error> {
        let as_of = value.as_of();
        let result = match Document::from_value(value) {
            Ok(document) => self.store.replace(document, now).await,
            Err(error) => Err(StoreError::Unreadable(error)),
        };
        let name = match &result {
            Ok(kept) if kept.value().as_of() == as_of => "kept",
            Ok(_) => "too_old",
            Err(_) => "failed",
        };
        writes.get_or_create(&WriteLabels { result: name }).inc();
        Ok(result?)
    }
}

fn refused(errors: Vec<common::api::FieldError>, writes: &Writes) -> Error {
    writes.get_or_create(&WriteLabels { result: "refused" }).inc();
    Error::Refused(errors)
}
