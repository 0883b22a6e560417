//! The stream of courses: server-sent events, as in section 9.2 of the HTML standard. A course is the last price of one pair at
//! one exchange.

use std::{io, sync::Arc};

use bytes::Bytes;
use common::{api::Problem, metrics::Metrics};
use futures_util::{Stream, stream};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::Error,
    limits::{KEEP_ALIVE, MAX_STREAM_READERS},
    snapshot::{SnapshotFilter, SnapshotStore, changes_event},
};

/// Makes a browser reconnect two seconds after the stream breaks.
const RETRY_FIELD: &[u8] = b"retry: 2000\n\n";
const KEEP_ALIVE_COMMENT: &[u8] = b": still here\n\n";

/// Opens streams. At most [`MAX_STREAM_READERS`] are open at the same time. Clones share the limit.
#[derive(Clone)]
pub(crate) struct CourseStreams {
    permits: Arc<Semaphore>,
    stop: CancellationToken,
    readers: Gauge,
}

/// The permit of one reader. Decrements the gauge of open streams when it is dropped.
struct ReaderPermit {
    _permit: OwnedSemaphorePermit,
    readers: Gauge,
}

impl Drop for ReaderPermit {
    fn drop(&mut self) {
        self.readers.dec();
    }
}

/// The state of one stream.
struct Subscription {
    store: Arc<SnapshotStore>,
    filter: SnapshotFilter,
    newest_sequence: watch::Receiver<u64>,
    /// The sequence number of the last snapshot that was compared for this reader.
    last_sequence: Option<u64>,
    retry_sent: bool,
    stop: CancellationToken,
    _permit: ReaderPermit,
}

impl CourseStreams {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let readers = Gauge::default();
        metrics.register("stream_readers", "Open streams of courses", readers.clone());
        Self { permits: Arc::new(Semaphore::new(MAX_STREAM_READERS)), stop: CancellationToken::new(), readers }
    }

    /// Ends the open streams, because they would delay the shutdown of the server.
    pub(crate) fn close(&self) {
        self.stop.cancel();
    }

    /// Sends the courses and prices that match the filter, and then their changes. Events are not queued for a slow reader:
    /// the next event contains the changes up to the newest snapshot. A reader that is too far behind receives all matching
    /// courses and prices again.
    pub(crate) fn open(
        &self,
        store: &Arc<SnapshotStore>,
        filter: SnapshotFilter,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, Problem> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| Error::StreamsFull)?;
        self.readers.inc();
        let subscription = Subscription {
            store: store.clone(),
            filter,
            newest_sequence: store.subscribe(),
            last_sequence: None,
            retry_sent: false,
            stop: self.stop.clone(),
            _permit: ReaderPermit { _permit: permit, readers: self.readers.clone() },
        };
        Ok(stream::unfold(subscription, |mut subscription| async move {
            Some((Ok(subscription.next_chunk().await?), subscription))
        }))
    }
}

impl Subscription {
    /// Waits for the next bytes to send. Returns `None` at the end of the stream.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        if !self.retry_sent {
            self.retry_sent = true;
            return Some(Bytes::from_static(RETRY_FIELD));
        }
        loop {
            // The number is marked as seen before the store is read. A snapshot that arrives later ends the wait below.
            self.newest_sequence.borrow_and_update();
            if let Some(event) = self.next_event() {
                return Some(event);
            }
            let changed = timeout(KEEP_ALIVE, self.newest_sequence.changed());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                changed = changed => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(Bytes::from_static(KEEP_ALIVE_COMMENT)),
                },
            }
        }
    }

    /// The event with the changes from the last snapshot of this reader to the newest snapshot. `None` if nothing that matches
    /// the filter has changed, or if there is no current snapshot.
    fn next_event(&mut self) -> Option<Bytes> {
        let newest = self.store.newest().ok()?;
        let last = self.last_sequence.replace(newest.sequence);
        if last == Some(newest.sequence) {
            return None;
        }
        if self.filter.matches_everything() && last.is_some_and(|last| last + 1 == newest.sequence) {
            return newest.changes.clone();
        }
        // If the last snapshot is no longer in the store, the reader receives everything again.
        let previous = last.and_then(|last| self.store.recent(last));
        changes_event(previous.as_deref().map(|previous| &previous.snapshot), &newest.snapshot, &self.filter)
    }
}

#[cfg(test)]
mod tests;
