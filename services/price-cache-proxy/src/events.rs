//! Pushes documents to readers: first the current documents, and then the newest document after each change.

use std::sync::Arc;

use common::{
    api::{
        courses::MarketSnapshot,
        events::{KEEP_ALIVE, Topic},
        prices::PriceRecord,
    },
    concurrency::latest::Latest,
    time::Clock,
};
use futures_util::{
    Stream, StreamExt,
    stream::{BoxStream, select_all, unfold},
};
use poem::{
    IntoResponse, Response,
    web::sse::{Event, SSE},
};
use poem_openapi::{
    payload::Payload,
    registry::{MetaSchema, MetaSchemaRef, Registry},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    error::Error,
    limits::MAX_EVENT_READERS,
    store::{CachedKind, LocalCache},
};

/// Opens event streams, up to [`MAX_EVENT_READERS`] at the same time.
pub(crate) struct Events {
    cache: LocalCache,
    clock: Clock,
    permits: Arc<Semaphore>,
    close: CancellationToken,
}

impl Events {
    /// Every stream ends when `close` is cancelled, because open streams would delay the shutdown of the server.
    pub(crate) fn new(cache: LocalCache, clock: Clock, close: CancellationToken) -> Self {
        Self { cache, clock, permits: Arc::new(Semaphore::new(MAX_EVENT_READERS)), close }
    }

    /// Streams the documents of these topics. A slow reader receives the newest document and skips the documents in
    /// between.
    pub(crate) fn open(&self, topics: &[Topic]) -> Result<EventStream, Error> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Error::TooManyReaders)?;
        let changes = topics.iter().map(|&topic| match topic {
            Topic::PriceRecord => document_events(topic, self.cache.latest::<PriceRecord>(), self.clock),
            Topic::MarketSnapshot => document_events(topic, self.cache.latest::<MarketSnapshot>(), self.clock),
        });
        let events = select_all(changes).take_until(self.close.clone().cancelled_owned());
        Ok(EventStream(with_permit(permit, events).boxed()))
    }
}

/// Emits the current document, if there is one, and then the newest document after each change. Omits documents that
/// have expired or are from the future.
fn document_events<T: CachedKind>(topic: Topic, latest: &Latest<T>, clock: Clock) -> BoxStream<'static, Event> {
    let events = unfold(latest.subscribe(), move |mut documents| async move {
        loop {
            documents.changed().await.ok()?;
            let newest = documents.borrow_and_update().clone();
            if let Some(document) = newest.filter(|document| document.is_current(clock.now())) {
                // serde_json writes valid UTF-8 without line breaks.
                let json = String::from_utf8_lossy(document.json());
                return Some((Event::message(json).event_type(topic.as_str()), documents));
            }
        }
    });
    events.boxed()
}

/// Holds the permit until the stream is dropped.
fn with_permit(permit: OwnedSemaphorePermit, events: impl Stream<Item = Event>) -> impl Stream<Item = Event> {
    events.map(move |event| {
        let _held_until_dropped = &permit;
        event
    })
}

/// A response of server-sent events. It stays open until the client disconnects or the service shuts down.
pub(crate) struct EventStream(BoxStream<'static, Event>);

impl Payload for EventStream {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some("Events named after their topics. The data of an event is the whole document as JSON."),
            ..MetaSchema::new("string")
        }))
    }

    fn register(_: &mut Registry) {}
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        SSE::new(self.0).keep_alive(KEEP_ALIVE).into_response()
    }
}

#[cfg(test)]
mod tests;
