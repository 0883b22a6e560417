//! A local copy of the documents of price-cache-proxy that is kept up to date.
//!
//! Changes arrive as server-sent events. While no event stream is connected, the documents are polled. A stream that is
//! silent for too long counts as disconnected. A document is used until it expires, even if price-cache-proxy is
//! unavailable.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use eventsource_stream::{Event, EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt, future::join, stream::BoxStream};
use poem::http::Method;
use serde::de::DeserializeOwned;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{DEADLINE, PriceCacheClient};
use crate::{
    api::{
        courses::MarketSnapshot,
        events::{MAX_STREAM_SILENCE, Topic},
        prices::PriceRecord,
    },
    clients::{CallError, Retry},
    concurrency::{
        backoff::Backoff,
        latest::{Document, Latest},
    },
    error_chain::format_chain,
    startup::{OutageLine, OutageLog},
    time::{Clock, Expiring},
};

/// Deadline for opening a stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// Poll interval of the documents while no stream is connected.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Base delay before a stream is opened again for the first time; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// Maximum base delay before a stream is opened again.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

pub type EventBytes = BoxStream<'static, io::Result<Bytes>>;

/// A source of documents: [`PriceCacheClient`], or a fake in tests.
#[async_trait]
pub trait DocumentSource: Send + Sync {
    /// The JSON of the document. Empty if there is no document.
    async fn fetch_document(&self, topic: Topic) -> Result<Bytes, CallError>;

    /// Opens a stream of the documents and their changes.
    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError>;
}

#[async_trait]
impl DocumentSource for PriceCacheClient {
    async fn fetch_document(&self, topic: Topic) -> Result<Bytes, CallError> {
        let path = match topic {
            Topic::PriceRecord => "/record",
            Topic::MarketSnapshot => "/board",
        };
        self.0.call_bytes(Method::GET, path, None::<&()>, Retry::Safe, DEADLINE).await
    }

    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError> {
        let topics = topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>().join(",");
        let bytes = self.0.open_stream(&format!("/events?topics={topics}"), OPEN_TIMEOUT).await?;
        Ok(bytes.map(|bytes| bytes.map_err(io::Error::other)).boxed())
    }
}

/// Why a stream disconnected.
#[derive(Debug, thiserror::Error)]
enum DisconnectReason {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the stream was not opened within {} s", OPEN_TIMEOUT.as_secs())]
    OpenTimeout,
    #[error("the stream failed")]
    Failed(#[source] io::Error),
    #[error("the stream ended")]
    Ended,
    #[error("an event cannot be parsed: {0}")]
    InvalidEvent(String),
}

/// The local copy of the documents. Clones share it.
#[derive(Clone)]
pub struct PriceCacheWatch {
    source: Arc<dyn DocumentSource>,
    topics: Arc<[Topic]>,
    clock: Clock,
    price_record: Latest<PriceRecord>,
    market_snapshot: Latest<MarketSnapshot>,
    connected: watch::Sender<bool>,
    /// Whether the last received document was from the future. Of several such documents in a row, only the first is logged.
    future_logged: Arc<AtomicBool>,
}

impl PriceCacheClient {
    /// Watches the documents of `topics` while [`PriceCacheWatch::run`] runs.
    pub fn watch(&self, topics: &[Topic]) -> PriceCacheWatch {
        PriceCacheWatch::new(Arc::new(self.clone()), topics, Clock::System)
    }
}

impl PriceCacheWatch {
    pub fn new(source: Arc<dyn DocumentSource>, topics: &[Topic], clock: Clock) -> Self {
        Self {
            source,
            topics: topics.into(),
            clock,
            price_record: Latest::default(),
            market_snapshot: Latest::default(),
            connected: watch::Sender::new(false),
            future_logged: Arc::default(),
        }
    }

    /// The price record, if it has not expired.
    pub fn price_record(&self) -> Option<Arc<Document<PriceRecord>>> {
        self.price_record.current(self.clock.now())
    }

    /// The market snapshot, if it has not expired.
    pub fn market_snapshot(&self) -> Option<Arc<Document<MarketSnapshot>>> {
        self.market_snapshot.current(self.clock.now())
    }

    /// A receiver of the price record and of its changes. Expiry is not a change.
    pub fn subscribe_price_record(&self) -> watch::Receiver<Option<Arc<Document<PriceRecord>>>> {
        self.price_record.subscribe()
    }

    /// A receiver of the market snapshot and of its changes. Expiry is not a change.
    pub fn subscribe_market_snapshot(&self) -> watch::Receiver<Option<Arc<Document<MarketSnapshot>>>> {
        self.market_snapshot.subscribe()
    }

    /// A receiver of whether a stream is connected. While no stream is connected, the documents are polled, so they may be
    /// older than the documents of price-cache-proxy.
    pub fn subscribe_connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Fetches the document now. The local copy does not change if price-cache-proxy has no document or an older document.
    pub async fn fetch_now(&self, topic: Topic) -> Result<(), CallError> {
        let response = self.source.fetch_document(topic).await?;
        // A response ends with a line break, and an event does not. Without the line break, the same document has the same
        // bytes in both.
        let json = response.slice(..response.trim_ascii_end().len());
        if json.is_empty() {
            return Ok(());
        }
        self.store(topic, json)
            .map_err(|error| CallError::InvalidResponse(PriceCacheClient::SERVICE, error.to_string()))
    }

    fn store(&self, topic: Topic, json: Bytes) -> serde_json::Result<()> {
        match topic {
            Topic::PriceRecord => self.store_if_newer(&self.price_record, json),
            Topic::MarketSnapshot => self.store_if_newer(&self.market_snapshot, json),
        }
    }

    fn store_if_newer<T: Expiring + DeserializeOwned>(
        &self,
        latest: &Latest<T>,
        json: Bytes,
    ) -> serde_json::Result<()> {
        // Polling usually returns the same document, which need not be parsed again.
        if latest.contains_json(&json) {
            return Ok(());
        }
        let (document, now) = (Document::<T>::from_json(json)?, self.clock.now());
        let as_of = document.value().version();
        let from_future = as_of.is_beyond_skew(now);
        let was_logged = self.future_logged.swap(from_future, Ordering::Relaxed);
        if from_future && !was_logged {
            tracing::error!(%as_of, %now, "the prices are from the future and are not used; compare the clocks of the machines");
        }
        latest.replace_if_newer(Arc::new(document), now);
        Ok(())
    }

    /// Keeps the documents up to date until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {},
            ((), ()) = join(self.keep_stream_open(), self.poll_while_disconnected()) => {}
        }
    }

    async fn keep_stream_open(&self) {
        let (mut backoff, mut outage) = (reconnect_backoff(), OutageLog::default());
        loop {
            let reason = self.read_stream().await;
            if self.connected.send_replace(false) {
                backoff = reconnect_backoff();
                outage.record_success();
            }
            match outage.record_failure() {
                Some(OutageLine::NotYet) => tracing::info!(
                    error = format_chain(&reason),
                    "the stream of price changes is not connected yet; prices are polled until it is"
                ),
                Some(OutageLine::Outage) => tracing::warn!(
                    error = format_chain(&reason),
                    "the stream of price changes is disconnected; prices are polled until it is connected again"
                ),
                None => {}
            }
            sleep(backoff.next_delay()).await;
        }
    }

    async fn read_stream(&self) -> DisconnectReason {
        let stream = match timeout(OPEN_TIMEOUT, self.source.open_events(&self.topics)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return error.into(),
            Err(_) => return DisconnectReason::OpenTimeout,
        };
        let bytes = fail_on_silence(stream).inspect(|bytes| {
            // The first bytes, even those of a comment, prove that the stream works.
            if bytes.is_ok() && !self.connected.send_replace(true) {
                tracing::info!("the stream of price changes is connected");
            }
        });
        let mut events = std::pin::pin!(bytes.eventsource());
        loop {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(EventStreamError::Transport(error))) => return DisconnectReason::Failed(error),
                Some(Err(error)) => return DisconnectReason::InvalidEvent(error.to_string()),
                None => return DisconnectReason::Ended,
            };
            if let Err(error) = self.handle_event(event) {
                return DisconnectReason::InvalidEvent(error.to_string());
            }
        }
    }

    fn handle_event(&self, event: Event) -> serde_json::Result<()> {
        match Topic::from_name(&event.event) {
            Some(topic) => self.store(topic, event.data.into()),
            // A newer price-cache-proxy may send topics that are unknown here.
            None => Ok(()),
        }
    }

    async fn poll_while_disconnected(&self) {
        let mut connected = self.connected.subscribe();
        let mut outage = OutageLog::default();
        // `wait_for` cannot fail, because `self` owns the sender.
        while connected.wait_for(|connected| !connected).await.is_ok() {
            for &topic in &*self.topics {
                let Err(error) = self.fetch_now(topic).await else {
                    if outage.record_success() {
                        tracing::info!(%topic, "price-cache-proxy can be polled again");
                    }
                    continue;
                };
                match outage.record_failure() {
                    Some(OutageLine::NotYet) => {
                        tracing::info!(error = %error.chain(), %topic, "price-cache-proxy cannot be polled yet");
                    }
                    Some(OutageLine::Outage) => {
                        tracing::warn!(error = %error.chain(), %topic, "price-cache-proxy cannot be polled");
                    }
                    None => {}
                }
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

fn reconnect_backoff() -> Backoff {
    Backoff::new(FIRST_BACKOFF, MAX_BACKOFF)
}

/// The same stream, but it fails if no bytes arrive for [`MAX_STREAM_SILENCE`].
fn fail_on_silence(stream: EventBytes) -> impl Stream<Item = io::Result<Bytes>> {
    futures_util::stream::unfold(stream, |mut stream| async {
        let next = timeout(MAX_STREAM_SILENCE, stream.next()).await;
        let silence = || Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the stream is silent")));
        let bytes = next.unwrap_or_else(|_| silence())?;
        Some((bytes, stream))
    })
}

#[cfg(test)]
mod tests;
