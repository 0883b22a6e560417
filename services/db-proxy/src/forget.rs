//! Removing keys, settled quotes and refusals that are too old, a few at a time, beside the work.

use std::time::Duration;

use common::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// How often old rows are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// Rows removed by one statement: a few milliseconds, so that no order waits for it.
const STEP: i64 = 1000;
/// How long a refusal is remembered: longer than a request can lie anywhere. create-order gives one up after 18 s; all the
/// groups that fit into the queue of a db-proxy take less than a minute to fail.
const KEEP_REFUSALS: Duration = Duration::from_secs(300);
/// Between two steps, where there is more to remove.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs until `stop`. What fails is tried again the next time.
pub async fn run(store: Store, keep: Duration, stop: CancellationToken) {
    let rounds = async {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = forget(&store, keep).await {
                tracing::warn!(error = %error.chain(), "old keys could not be removed");
            }
        }
    };
    tokio::select! { () = stop.cancelled() => {}, () = rounds => {} }
}

async fn forget(store: &Store, keep: Duration) -> Result<(), crate::store::StoreError> {
    let before = Timestamp::now().minus(keep);
    while store.forget(before, STEP).await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    let before = Timestamp::now().minus(KEEP_REFUSALS);
    while store.forget_refusals(before, STEP).await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
