//! Ingests the market snapshots that price-cache-proxy pushes. Until the first snapshot arrives, the courses that
//! db-proxy stores are used. A course is the last price of one pair at one exchange.

#[cfg(test)]
mod tests;

use std::time::Duration;

use common::{
    api::{courses::MarketSnapshot, events::Topic},
    clients::{CallError, price_cache::PriceCacheWatch},
};
use futures_util::future::join3;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::{store::SnapshotStore, view::SnapshotOrigin};

/// Interval between reads from db-proxy while the store is empty.
const FALLBACK_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum time that the start of the service waits for the first snapshot.
const FIRST_SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(1);

/// Stores the snapshot that price-cache-proxy has, before the service answers its first request. A load balancer without
/// health checks sends requests as soon as the port is open. If no snapshot arrives within [`FIRST_SNAPSHOT_TIMEOUT`], the
/// service starts without one.
pub(crate) async fn load_first_snapshot(watch: &PriceCacheWatch, store: &SnapshotStore) {
    // `ingest_snapshots` tries again, and the watch logs failures.
    let _ = timeout(FIRST_SNAPSHOT_TIMEOUT, watch.fetch_now(Topic::MarketSnapshot)).await;
    if let Some(snapshot) = watch.market_snapshot() {
        store.replace_if_newer(snapshot.value().clone(), SnapshotOrigin::PriceCache);
    }
}

/// Keeps the store up to date until `stop`. The newest snapshot stays in the store while price-cache-proxy is
/// unavailable. `read_fallback` reads the courses that db-proxy stores.
pub(crate) async fn ingest_snapshots<F>(
    watch: PriceCacheWatch,
    read_fallback: impl Fn() -> F,
    store: &SnapshotStore,
    stop: CancellationToken,
) where
    F: Future<Output = Result<Option<MarketSnapshot>, CallError>>,
{
    let run_watch = watch.clone().run(stop.clone());
    tokio::select! {
        () = stop.cancelled() => {}
        _ = join3(run_watch, store_pushed_snapshots(&watch, store), load_fallback(&watch, read_fallback, store)) => {}
    }
}

/// Stores each new snapshot. The watch reports no change when it receives the same snapshot again, so that no response is
/// built twice.
async fn store_pushed_snapshots(watch: &PriceCacheWatch, store: &SnapshotStore) {
    let mut snapshots = watch.subscribe_market_snapshot();
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            store.replace_if_newer(snapshot.value().clone(), SnapshotOrigin::PriceCache);
        }
    }
}

/// Stores the courses of db-proxy, unless price-cache-proxy has a snapshot.
async fn load_fallback<F>(watch: &PriceCacheWatch, read_fallback: impl Fn() -> F, store: &SnapshotStore)
where
    F: Future<Output = Result<Option<MarketSnapshot>, CallError>>,
{
    // price-cache-proxy is read first, because the courses of db-proxy can be older. The watch logs failures.
    let fetched = watch.fetch_now(Topic::MarketSnapshot).await;
    if fetched.is_ok() && watch.market_snapshot().is_some() {
        return;
    }
    let mut ticks = tokio::time::interval(FALLBACK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !store.is_empty() {
            return;
        }
        match read_fallback().await {
            Ok(Some(snapshot)) => _ = store.replace_if_newer(snapshot, SnapshotOrigin::Database),
            Ok(None) => {}
            // Readiness and heartbeats report that db-proxy is unavailable, so a debug message is enough.
            Err(error) => tracing::debug!(error = %error.chain(), "stored courses cannot be read from db-proxy"),
        }
    }
}
