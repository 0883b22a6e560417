//! The writes of records that expire, or that price-cache-proxy refuses.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use common::{
    api::{
        Problem,
        courses::{CoursesWritten, NewCourses},
        leases::Lease,
        prices::{CurrencyPrice, NewPriceRecord, PriceState},
    },
    metrics::Metrics,
    money::Currency,
    time::Timestamp,
};
use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A price-cache-proxy that receives each record after `latency`.
struct SlowPriceCache {
    clock: Clock,
    latency: Duration,
    writes: AtomicUsize,
}

#[async_trait]
impl Upstreams for SlowPriceCache {
    async fn write_record(&self, write: &RecordWrite, _: Duration) -> Result<PriceRecord, CallError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        sleep(self.latency).await;
        let refused = |errors| CallError::Problem("the fake", Box::new(Problem::validation(errors)));
        write.record.clone().into_record(write.ttl, self.clock.now()).map_err(refused)
    }

    async fn current_record(&self) -> Result<Option<PriceRecord>, CallError> {
        unimplemented!("the tests only write records")
    }

    async fn write_snapshot(&self, _: &MarketSnapshot) -> Result<(), CallError> {
        unimplemented!("the tests only write records")
    }

    async fn write_courses(&self, _: &NewCourses) -> Result<CoursesWritten, CallError> {
        unimplemented!("the tests only write records")
    }

    async fn acquire_lease(&self, _: &str, _: &str, _: Duration) -> Result<Lease, CallError> {
        unimplemented!("the tests only write records")
    }
}

/// A record that expires at `expires_at`. `as_of` can be in the future.
fn record(as_of: Timestamp, expires_at: Timestamp) -> RecordWrite {
    let (price, state) = ("84000.12".parse().unwrap(), PriceState::Prolonged);
    let (prolongable_until, sources, legs) = (None, Vec::new(), Vec::new());
    let price = CurrencyPrice { price, sources, state, as_of, expires_at, prolongable_until, legs };
    let prices = BTreeMap::from([(Currency::EUR, price.into())]);
    let ttl = expires_at.since(as_of);
    RecordWrite { record: NewPriceRecord { state, as_of, simulated: false, prices }, ttl }
}

/// Sends the record, and returns the number of writes and the result of the last write.
async fn send(latency: Duration, record: impl FnOnce(Timestamp) -> RecordWrite) -> (usize, Option<Result<(), String>>) {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    let price_cache = Arc::new(SlowPriceCache { clock, latency, writes: AtomicUsize::new(0) });
    let metrics = UpdaterMetrics::register(&Metrics::new("price-updater"));
    let deliveries = Deliveries::new(clock, price_cache.clone(), 5 * SECOND, metrics);
    deliveries.send_record(record(clock.now()));
    let _ = tokio::time::timeout(5 * SECOND, deliveries.run()).await;
    (price_cache.writes.load(Ordering::SeqCst), deliveries.last_record_write())
}

#[tokio::test(start_paused = true)]
async fn expired_record_is_not_written() {
    let sent = send(SECOND, |now| record(now.minus(75 * SECOND), now)).await;
    assert_eq!(sent, (0, None));
}

#[tokio::test(start_paused = true)]
async fn record_that_expires_before_it_is_received_is_no_failed_write() {
    let sent = send(SECOND, |now| record(now.minus(74 * SECOND), now.plus(SECOND / 2))).await;
    assert_eq!(sent, (1, None));
}

#[tokio::test(start_paused = true)]
async fn refused_record_that_is_still_valid_is_a_failed_write() {
    let (writes, last) = send(SECOND, |now| record(now.plus(60 * SECOND), now.plus(120 * SECOND))).await;
    assert_eq!(writes, 1);
    assert!(
        last.as_ref().is_some_and(|result| result.as_ref().is_err_and(|error| error.contains("future"))),
        "{last:?}"
    );
    let sent = send(SECOND, |now| record(now, now.plus(60 * SECOND))).await;
    assert_eq!(sent, (1, Some(Ok(()))));
}
