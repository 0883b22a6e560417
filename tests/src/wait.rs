//! Waiting for a condition, with a time limit.

use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Calls `probe` until it returns a value, and returns that value. Panics with `condition` when `limit` has passed.
pub async fn wait_until<T>(condition: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(start.elapsed() < limit, "not reached within {limit:?}: {condition}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
