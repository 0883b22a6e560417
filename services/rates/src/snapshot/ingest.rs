//! Where boards come from: price-cache-proxy pushes each as it is made. Until there is one, what was written down is shown.

#[cfg(test)]
mod tests;

use std::time::Duration;

use common::{
    api::{courses::MarketSnapshot, events::Topic},
    clients::{CallError, price_cache::PriceCacheWatch},
};
use futures_util::future::join3;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{snapshot::SnapshotOrigin, snapshot::SnapshotStore};

/// How often db-proxy is asked for what was written down, while nothing is held.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the book as new as the boards are, until `stop`. What is held stays while price-cache-proxy is away. `stored` reads
/// what was written down last.
pub(crate) async fn follow<F>(
    watch: PriceCacheWatch,
    stored: impl Fn() -> F,
    store: &SnapshotStore,
    stop: CancellationToken,
) where
    F: Future<Output = Result<Option<MarketSnapshot>, CallError>>,
{
    let pushed = watch.clone().run(stop.clone());
    tokio::select! {
        () = stop.cancelled() => {}
        _ = join3(pushed, take(&watch, store), begin(&watch, stored, store)) => {}
    }
}

/// Takes each board that comes. One that is told again is not among the changes, so that no answer is made twice.
async fn take(watch: &PriceCacheWatch, store: &SnapshotStore) {
    let mut snapshots = watch.subscribe_market_snapshot();
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        if let Some(snapshot) = snapshot {
            store.take(snapshot.value().clone(), SnapshotOrigin::PriceCacheClient);
        }
    }
}

/// Begins with what was written down last, where nobody has a board yet.
async fn begin<F>(watch: &PriceCacheWatch, stored: impl Fn() -> F, store: &SnapshotStore)
where
    F: Future<Output = Result<Option<MarketSnapshot>, CallError>>,
{
    // Whoever starts while there is a board shows nothing older before it. That it cannot be asked for is told by the watch.
    let asked = watch.fetch(Topic::MarketSnapshot).await;
    if asked.is_ok() && watch.market_snapshot().is_some() {
        return;
    }
    let mut ticks = tokio::time::interval(RETRY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !store.is_empty() {
            return;
        }
        match stored().await {
            Ok(Some(snapshot)) => _ = store.take(snapshot, SnapshotOrigin::Database),
            Ok(None) => {}
            // Told by /readyz and the alive calls as it is; asked again in a moment.
            Err(error) => tracing::debug!(error = %error.chain(), "the last courses cannot be read"),
        }
    }
}
