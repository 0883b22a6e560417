//! Watching price-cache-proxy: what it keeps is held here as new as it is there, so that nobody waits for a call.
//!
//! Changes are pushed as server-sent events. While the push is lost the documents are asked for, again and again, until it
//! is back; a stream that looks alive and says nothing is taken for lost. What is held is used until it runs out, whatever
//! happens to price-cache-proxy, and never after.

#[cfg(test)]
mod tests;

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use eventsource_stream::{Event, Eventsource};
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
        events::{MAX_SILENCE, Topic},
        prices::PriceRecord,
    },
    clients::{CallError, Retry},
    concurrency::backoff::Backoff,
    concurrency::latest::{Document, Latest},
    time::{Clock, Expiring},
};

/// Longest wait for a stream to be opened.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the documents are asked for while they are not pushed.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// First and longest wait before the stream is opened again; up to as much again is added at random.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Bytes of a stream of events, as they arrive.
pub type EventBytes = BoxStream<'static, io::Result<Bytes>>;

/// Where documents come from. Beside [`PriceCacheClient`] there are only those of tests.
#[async_trait]
pub trait DocumentSource: Send + Sync {
    /// The JSON of the document; empty where there is none.
    async fn fetch(&self, topic: Topic) -> Result<Bytes, CallError>;

    /// Opens a stream of the documents and their changes.
    async fn open_events(&self, topics: &[Topic]) -> Result<EventBytes, CallError>;
}

#[async_trait]
impl DocumentSource for PriceCacheClient {
    async fn fetch(&self, topic: Topic) -> Result<Bytes, CallError> {
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

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the stream was not opened in time")]
    Unopened,
    #[error("the stream broke off")]
    Broken(#[source] io::Error),
    #[error("the stream ended")]
    Ended,
    #[error("an event cannot be read: {0}")]
    InvalidResponse(String),
}

/// What is held of price-cache-proxy's documents. A clone is the same.
#[derive(Clone)]
pub struct PriceCacheWatch {
    upstream: Arc<dyn DocumentSource>,
    topics: Arc<[Topic]>,
    clock: Clock,
    record: Latest<PriceRecord>,
    board: Latest<MarketSnapshot>,
    /// Whether a stream is open that said something not long ago.
    pushed: watch::Sender<bool>,
}

impl PriceCacheClient {
    /// Holds these documents as new as they are there, while [`PriceCacheWatch::run`] runs.
    pub fn watch(&self, topics: &[Topic]) -> PriceCacheWatch {
        PriceCacheWatch::new(Arc::new(self.clone()), topics, Clock::System)
    }
}

impl PriceCacheWatch {
    pub fn new(upstream: Arc<dyn DocumentSource>, topics: &[Topic], clock: Clock) -> Self {
        let (record, board, pushed) = (Latest::default(), Latest::default(), watch::Sender::new(false));
        Self { upstream, topics: topics.into(), clock, record, board, pushed }
    }

    /// The record that may be used now.
    pub fn price_record(&self) -> Option<Arc<Document<PriceRecord>>> {
        self.record.current(self.clock.now())
    }

    /// The board that may be shown now.
    pub fn market_snapshot(&self) -> Option<Arc<Document<MarketSnapshot>>> {
        self.board.current(self.clock.now())
    }

    /// The record and its changes. It does not tell when one runs out.
    pub fn subscribe_price_record(&self) -> watch::Receiver<Option<Arc<Document<PriceRecord>>>> {
        self.record.subscribe()
    }

    /// The board and its changes. It does not tell when one runs out.
    pub fn subscribe_market_snapshot(&self) -> watch::Receiver<Option<Arc<Document<MarketSnapshot>>>> {
        self.board.subscribe()
    }

    /// Whether changes are pushed: what is held is then what price-cache-proxy has. Otherwise it is asked for.
    pub fn subscribe_connected(&self) -> watch::Receiver<bool> {
        self.pushed.subscribe()
    }

    /// Asks for the document now. Where there is none, or an older one, what is held stays.
    pub async fn fetch(&self, topic: Topic) -> Result<(), CallError> {
        let json = self.upstream.fetch(topic).await?;
        if json.is_empty() {
            return Ok(());
        }
        self.take(topic, json).map_err(|error| CallError::InvalidResponse(PriceCacheClient::SERVICE, error.to_string()))
    }

    fn take(&self, topic: Topic, json: Bytes) -> serde_json::Result<()> {
        match topic {
            Topic::PriceRecord => offer(&self.record, json, self.clock),
            Topic::MarketSnapshot => offer(&self.board, json, self.clock),
        }
    }

    /// Holds the documents as new as they are there, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! { () = stop.cancelled() => {}, ((), ()) = join(self.follow(), self.ask_while_lost()) => {} }
    }

    async fn follow(&self) {
        let (mut backoff, mut told) = (pauses(), false);
        loop {
            let lost = self.follow_once().await;
            if self.pushed.send_replace(false) {
                (backoff, told) = (pauses(), false);
            }
            // Once for an outage, however many tries it takes.
            if !std::mem::replace(&mut told, true) {
                let error = crate::error_chain::format_chain(&lost);
                tracing::warn!(error, "changes of prices are not pushed; they are asked for until they are again");
            }
            sleep(backoff.next_delay()).await;
        }
    }

    async fn follow_once(&self) -> Lost {
        let stream = match timeout(OPEN_TIMEOUT, self.upstream.open_events(&self.topics)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return error.into(),
            Err(_) => return Lost::Unopened,
        };
        let spoken = not_silent(stream).inspect(|bytes| {
            // The first bytes, be it a comment, prove that the stream carries.
            if bytes.is_ok() && !self.pushed.send_replace(true) {
                tracing::info!("changes of prices are pushed");
            }
        });
        let mut events = std::pin::pin!(spoken.eventsource());
        loop {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(eventsource_stream::EventStreamError::Transport(error))) => return Lost::Broken(error),
                Some(Err(error)) => return Lost::InvalidResponse(error.to_string()),
                None => return Lost::Ended,
            };
            if let Err(error) = self.told(event) {
                return Lost::InvalidResponse(error.to_string());
            }
        }
    }

    fn told(&self, event: Event) -> serde_json::Result<()> {
        match event.event.parse() {
            Ok(topic) => self.take(topic, event.data.into()),
            // Of a newer price-cache-proxy: what is not known here is not asked for either.
            Err(_) => Ok(()),
        }
    }

    async fn ask_while_lost(&self) {
        let mut pushed = self.pushed.subscribe();
        let mut reachable = true;
        // This very value has the sender, so that it cannot be closed.
        while pushed.wait_for(|pushed| !pushed).await.is_ok() {
            for &topic in &*self.topics {
                let result = self.fetch(topic).await;
                match &result {
                    Err(error) if reachable => {
                        tracing::warn!(error = %error.chain(), %topic, "what is current cannot be asked for");
                    }
                    Ok(()) if !reachable => tracing::info!(%topic, "what is current can be asked for again"),
                    _ => {}
                }
                reachable = result.is_ok();
            }
            sleep(ASK_INTERVAL).await;
        }
    }
}

fn offer<T: Expiring + DeserializeOwned>(latest: &Latest<T>, json: Bytes, clock: Clock) -> serde_json::Result<()> {
    // While nothing is pushed the same is told twice a second: it is not read again for that.
    if latest.contains_json(&json) {
        return Ok(());
    }
    latest.replace_if_newer(Arc::new(Document::from_json(json)?), clock.now());
    Ok(())
}

fn pauses() -> Backoff {
    Backoff::new(FIRST_PAUSE, MAX_PAUSE)
}

/// The stream, broken off where nothing comes for [`MAX_SILENCE`].
fn not_silent(stream: EventBytes) -> impl Stream<Item = io::Result<Bytes>> {
    futures_util::stream::unfold(stream, |mut stream| async {
        let next = timeout(MAX_SILENCE, stream.next()).await;
        let bytes = next.unwrap_or_else(|_| Some(Err(io::Error::new(io::ErrorKind::TimedOut, "it was silent"))))?;
        Some((bytes, stream))
    })
}
