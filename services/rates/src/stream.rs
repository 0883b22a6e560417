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
    book::Book,
    changes::changes,
    error::Error,
    filter::Filter,
    limits::{KEEP_ALIVE, MAX_STREAMS},
};

/// Tells a browser to come back after two seconds where the stream breaks off.
const RETRY: &[u8] = b"retry: 2000\n\n";
const BEAT: &[u8] = b": still here\n\n";

/// The places at the stream.
#[derive(Clone)]
pub(crate) struct Streams {
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

struct Place {
    book: Arc<Book>,
    filter: Filter,
    boards: watch::Receiver<u64>,
    /// The board that this reader has been told last.
    seen: Option<u64>,
    greeted: bool,
    stop: CancellationToken,
    _reader: Reader,
}

impl Streams {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let readers = Gauge::default();
        metrics.register("stream_readers", "Readers of the stream of courses", readers.clone());
        Self { places: Arc::new(Semaphore::new(MAX_STREAMS)), stop: CancellationToken::new(), readers }
    }

    /// Ends every stream: they would hold up the end of the service.
    pub(crate) fn end(&self) {
        self.stop.cancel();
    }

    /// Everything that passes the filter, and then what changes of it. Nothing waits for a reader: one that is slow is told
    /// the difference to the newest board when it reads again.
    pub(crate) fn read(
        &self,
        book: &Arc<Book>,
        filter: Filter,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>, Problem> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::StreamsFull)?;
        self.readers.inc();
        let place = Place {
            book: book.clone(),
            filter,
            boards: book.subscribe(),
            seen: None,
            greeted: false,
            stop: self.stop.clone(),
            _reader: Reader { _place: place, readers: self.readers.clone() },
        };
        Ok(stream::unfold(place, |mut place| async move { Some((Ok(place.next().await?), place)) }))
    }
}

impl Place {
    /// What to send next; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(RETRY));
        }
        loop {
            // Seen before it is looked at: what comes in between wakes the wait below.
            self.boards.borrow_and_update();
            if let Some(event) = self.news() {
                return Some(event);
            }
            let changed = timeout(KEEP_ALIVE, self.boards.changed());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                changed = changed => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(Bytes::from_static(BEAT)),
                },
            }
        }
    }

    fn news(&mut self) -> Option<Bytes> {
        let now = self.book.newest().ok()?;
        let seen = self.seen.replace(now.number);
        if seen == Some(now.number) {
            return None;
        }
        if self.filter.is_everything() && seen.is_some_and(|seen| seen + 1 == now.number) {
            return now.news.clone();
        }
        // Who is so far behind that the board is gone begins anew.
        let before = seen.and_then(|seen| self.book.kept(seen));
        changes(before.as_deref(), &now, &self.filter)
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use common::time::Clock;
    use futures_util::StreamExt;

    use super::*;
    use crate::{
        filter::Wishes,
        given::{at, board, course},
        held::Origin,
    };

    fn book() -> Arc<Book> {
        Arc::new(Book::new(Clock::starting_at(at(0)), &Metrics::new("rates")))
    }

    fn put(book: &Book, secs: u64, value: &str) {
        let courses = vec![course("kraken", "BTC-USD", value), course("okx", "BTC-USDT", "91000")];
        assert!(book.take(board(at(secs), courses, vec![]), Origin::Board));
    }

    async fn text(stream: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin)) -> String {
        String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_is_told_everything_and_then_each_change() {
        let (book, streams) = (book(), Streams::new(&Metrics::new("rates")));
        put(&book, 0, "1");
        let mut stream = pin!(streams.read(&book, Filter::default()).unwrap());
        assert_eq!(text(&mut stream).await, "retry: 2000\n\n");
        assert!(text(&mut stream).await.starts_with("event: courses\nid: "));
        put(&book, 5, "2");
        let change = text(&mut stream).await;
        assert!(
            change.starts_with("event: changes\n") && change.contains("\"2.00\"") && !change.contains("okx"),
            "{change}"
        );
        // Nothing differs: only a sign of life comes.
        put(&book, 10, "2");
        let start = tokio::time::Instant::now();
        assert_eq!(text(&mut stream).await, ": still here\n\n");
        assert!(start.elapsed() >= KEEP_ALIVE);
        streams.end();
        assert!(stream.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_told_the_newest_alone() {
        let (book, streams) = (book(), Streams::new(&Metrics::new("rates")));
        put(&book, 0, "1");
        let mut stream = pin!(streams.read(&book, Filter::default()).unwrap());
        for _greeting_and_everything in 0..2 {
            text(&mut stream).await;
        }
        for secs in 1..=3 {
            put(&book, secs, &format!("{secs}0"));
        }
        let change = text(&mut stream).await;
        assert!(change.starts_with("event: changes\n") && change.contains("\"30.00\""), "{change}");
        // Farther behind than boards are kept: everything again, and nothing of what was in between.
        for secs in 4..=20 {
            put(&book, secs, &format!("{secs}0"));
        }
        let all = text(&mut stream).await;
        assert!(all.starts_with("event: courses\n") && all.contains("\"200.00\"") && all.contains("okx"), "{all}");
        assert!(tokio::time::timeout(Duration::from_secs(10), stream.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_filter_holds_for_every_event() {
        let (book, streams) = (book(), Streams::new(&Metrics::new("rates")));
        put(&book, 0, "1");
        let wishes = Wishes { exchangers: Some("okx".to_owned()), ..Wishes::default() };
        let filter = wishes.check(&book.newest().unwrap().known).unwrap();
        let mut stream = pin!(streams.read(&book, filter).unwrap());
        text(&mut stream).await;
        assert!(!text(&mut stream).await.contains("kraken"));
        put(&book, 1, "2");
        assert_eq!(text(&mut stream).await, ": still here\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_bounded_and_given_back() {
        let (book, streams) = (book(), Streams::new(&Metrics::new("rates")));
        let mut readers: Vec<_> = (0..MAX_STREAMS).map(|_| streams.read(&book, Filter::default()).unwrap()).collect();
        assert!(streams.read(&book, Filter::default()).is_err());
        readers.pop();
        assert!(streams.read(&book, Filter::default()).is_ok());
    }
}
