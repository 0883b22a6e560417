//! Courses as they change, as server-sent events (the HTML standard, section 9.2).

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
    snapshot::SnapshotFilter,
    snapshot::{SnapshotStore, changes_event},
};

/// Tells a browser to come back after two seconds where the stream breaks off.
const RETRY: &[u8] = b"retry: 2000\n\n";
const KEEP_ALIVE_COMMENT: &[u8] = b": still here\n\n";

/// The places at the stream.
#[derive(Clone)]
pub(crate) struct CourseStreams {
    places: Arc<Semaphore>,
    stop: CancellationToken,
    readers: Gauge,
}

/// Counts a reader while it is there.
struct Reader {
    _place: OwnedSemaphorePermit,
    readers: Gauge,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.readers.dec();
    }
}

struct Subscription {
    store: Arc<SnapshotStore>,
    filter: SnapshotFilter,
    snapshots: watch::Receiver<u64>,
    /// The board that this reader has been told last.
    seen: Option<u64>,
    greeted: bool,
    stop: CancellationToken,
    _reader: Reader,
}

impl CourseStreams {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let readers = Gauge::default();
        metrics.register("stream_readers", "Readers of the stream of courses", readers.clone());
        Self { places: Arc::new(Semaphore::new(MAX_STREAM_READERS)), stop: CancellationToken::new(), readers }
    }

    /// Ends every stream: they would hold up the end of the service.
    pub(crate) fn end(&self) {
        self.stop.cancel();
    }

    /// Everything that passes the filter, and then what changes of it. Nothing waits for a reader: one that is slow is told
    /// the difference to the newest board when it reads again.
    pub(crate) fn read(
        &self,
        store: &Arc<SnapshotStore>,
        filter: SnapshotFilter,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, Problem> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::StreamsFull)?;
        self.readers.inc();
        let place = Subscription {
            store: store.clone(),
            filter,
            snapshots: store.subscribe(),
            seen: None,
            greeted: false,
            stop: self.stop.clone(),
            _reader: Reader { _place: place, readers: self.readers.clone() },
        };
        Ok(stream::unfold(place, |mut place| async move { Some((Ok(place.next().await?), place)) }))
    }
}

impl Subscription {
    /// What to send next; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(RETRY));
        }
        loop {
            // Seen before it is looked at: what comes in between wakes the wait below.
            self.snapshots.borrow_and_update();
            if let Some(event) = self.next_event() {
                return Some(event);
            }
            let changed = timeout(KEEP_ALIVE, self.snapshots.changed());
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

    fn next_event(&mut self) -> Option<Bytes> {
        let now = self.store.newest().ok()?;
        let seen = self.seen.replace(now.number);
        if seen == Some(now.number) {
            return None;
        }
        if self.filter.is_everything() && seen.is_some_and(|seen| seen + 1 == now.number) {
            return now.changes.clone();
        }
        // Who is so far behind that the board is gone begins anew.
        let before = seen.and_then(|seen| self.store.kept(seen));
        changes_event(before.as_deref(), &now, &self.filter)
    }
}

#[cfg(test)]
mod tests;
