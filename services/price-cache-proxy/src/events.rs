//! Pushing: whoever reads gets what there is at once, and then each change.

use std::sync::Arc;

use common::{
    api::events::{KEEP_ALIVE, Topic},
    concurrency::latest::Latest,
    time::Timestamp,
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
    store::{CachedKind, LocalCache},
};

/// Most readers at once, at one instance: each is a connection and a task.
pub(crate) const MAX_EVENT_READERS: usize = 256;

/// Where readers come to.
pub(crate) struct Events {
    cache: LocalCache,
    places: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Events {
    /// Every stream ends when `closing` is cancelled, so that no reader holds up the end of the service.
    pub(crate) fn new(cache: LocalCache, closing: CancellationToken) -> Self {
        Self { cache, places: Arc::new(Semaphore::new(MAX_EVENT_READERS)), closing }
    }

    /// A stream of the documents of these topics. A reader that is too slow for the changes gets the newest and not those
    /// between: nothing is kept for it.
    pub(crate) fn open(&self, topics: &[Topic]) -> Result<EventStream, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::TooManyReaders)?;
        let changes = topics.iter().map(|&topic| match topic {
            Topic::PriceRecord => changes(topic, self.cache.latest::<common::api::prices::PriceRecord>()),
            Topic::MarketSnapshot => changes(topic, self.cache.latest::<common::api::courses::MarketSnapshot>()),
        });
        let events = select_all(changes).take_until(self.closing.clone().cancelled_owned());
        Ok(EventStream(holding(place, events).boxed()))
    }
}

/// The document that is held now, and from then on the newest whenever there is another.
fn changes<T: CachedKind>(topic: Topic, latest: &Latest<T>) -> BoxStream<'static, Event> {
    let stream = unfold(latest.subscribe(), move |mut slot| async move {
        loop {
            slot.changed().await.ok()?;
            let newest = slot.borrow_and_update().clone();
            if let Some(document) = newest.filter(|document| document.is_current(Timestamp::now())) {
                // What serde writes has no line break and is UTF-8.
                let json = String::from_utf8_lossy(document.json());
                return Some((Event::message(json).event_type(topic.as_str()), slot));
            }
        }
    });
    stream.boxed()
}

/// Gives the place back when the stream is dropped.
fn holding(place: OwnedSemaphorePermit, events: impl Stream<Item = Event>) -> impl Stream<Item = Event> {
    events.map(move |event| {
        let _held = &place;
        event
    })
}

/// The answer that does not end.
pub(crate) struct EventStream(BoxStream<'static, Event>);

impl Payload for EventStream {
    const CONTENT_TYPE: &'static str = "text/event-stream";

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            description: Some("Events named after their topic, each with the whole document as JSON."),
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
