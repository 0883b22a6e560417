//! Keeping one record: the newest one, until it runs out.

use std::time::Duration;

use common::{
    api::prices::{NewPriceRecord, PriceRecord},
    metrics::Metrics,
    time::Timestamp,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::{error::Error, store::RecordStore};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    result: &'static str,
}

pub(crate) struct Records {
    store: RecordStore,
    writes: Family<WriteLabels, Counter>,
}

impl Records {
    pub(crate) fn new(store: RecordStore, metrics: &Metrics) -> Self {
        let writes = Family::default();
        metrics.register("price_record_writes", "Price records that were sent, by what became of them", writes.clone());
        Self { store, writes }
    }

    /// The record that may be used at `now`.
    pub(crate) async fn current(&self, now: Timestamp) -> Result<Option<PriceRecord>, Error> {
        Ok(self.store.current(now).await?)
    }

    /// Keeps the record unless a newer one is there; answers with the one that is kept now.
    pub(crate) async fn add(&self, new: NewPriceRecord, ttl: Duration, now: Timestamp) -> Result<PriceRecord, Error> {
        let result = self.try_add(new, ttl, now).await;
        let result_name = match &result {
            Ok((_, true)) => "kept",
            Ok((_, false)) => "too_old",
            Err(Error::Refused(_)) => "refused",
            Err(Error::Store(_)) => "failed",
        };
        self.writes.get_or_create(&WriteLabels { result: result_name }).inc();
        result.map(|(record, _)| record)
    }

    async fn try_add(&self, new: NewPriceRecord, ttl: Duration, now: Timestamp) -> Result<(PriceRecord, bool), Error> {
        let record = new.lasting(ttl, now).map_err(Error::Refused)?;
        let as_of = record.as_of;
        let kept = self.store.replace(record, now).await?;
        let taken = kept.as_of == as_of;
        Ok((kept, taken))
    }
}
