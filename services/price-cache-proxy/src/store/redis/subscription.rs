//! Receives the writes of other instances. Each write publishes the document, and every instance subscribes.

use common::{
    api::{courses::MarketSnapshot, prices::PriceRecord},
    concurrency::{backoff::Backoff, latest::Document},
    error_chain::format_chain,
    redis_connection::CONNECT_TIMEOUT,
    startup::{OutageLine, OutageLog},
};
use futures_util::StreamExt;
use redis::{Msg, aio::PubSubStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::RedisStore;
use crate::{
    limits::{MAX_RESUBSCRIBE_DELAY, MIN_RESUBSCRIBE_DELAY, RECONCILE_INTERVAL, SUBSCRIBE_TIMEOUT},
    store::{error::StoreError, local_cache::CachedKind},
};

/// Why a subscription was not established, or why it ended.
#[derive(Debug, thiserror::Error)]
enum SubscriptionLost {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the subscription was not established")]
    NotEstablished(#[source] redis::RedisError),
    #[error("the subscription was not established in time")]
    Timeout,
    #[error("the subscription ended")]
    Ended,
    /// The connection is open, but a message was lost.
    #[error("the subscription delivered no message although a document was written")]
    MessageMissing,
}

fn resubscribe_backoff() -> Backoff {
    Backoff::new(MIN_RESUBSCRIBE_DELAY, MAX_RESUBSCRIBE_DELAY)
}

impl RedisStore {
    /// Keeps the local cache up to date until `stop` is cancelled. Subscribes again whenever the subscription is lost.
    pub(crate) async fn subscribe_to_changes(self, stop: CancellationToken) {
        tokio::select! { () = stop.cancelled() => {}, () = self.subscribe_forever() => {} }
    }

    async fn subscribe_forever(&self) {
        let (mut backoff, mut outage) = (resubscribe_backoff(), OutageLog::default());
        loop {
            let lost = match self.subscribe().await {
                Ok(messages) => {
                    if outage.record_success() {
                        tracing::info!("the writes of other instances are received again");
                    }
                    backoff = resubscribe_backoff();
                    self.listen(messages).await
                }
                Err(lost) => lost,
            };
            match outage.record_failure() {
                Some(OutageLine::NotYet) => {
                    tracing::info!(error = format_chain(&lost), "the writes of other instances are not received yet");
                }
                Some(OutageLine::Outage) => tracing::warn!(
                    error = format_chain(&lost),
                    "the writes of other instances are not received until the subscription to Redis is restored"
                ),
                None => {}
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// Subscribes, and then reads all documents, because writes before the subscription are not delivered.
    async fn subscribe(&self) -> Result<PubSubStream, SubscriptionLost> {
        let master = timeout(CONNECT_TIMEOUT, self.0.connector.master()).await;
        let master = master.map_err(|_| SubscriptionLost::Timeout)?.map_err(SubscriptionLost::NotEstablished)?;
        let subscribing = async {
            let mut pubsub = master.get_async_pubsub().await?;
            pubsub.subscribe(&[self.channel::<PriceRecord>(), self.channel::<MarketSnapshot>()]).await?;
            Ok(pubsub.into_on_message())
        };
        let messages = timeout(SUBSCRIBE_TIMEOUT, subscribing).await.map_err(|_| SubscriptionLost::Timeout)?;
        let messages = messages.map_err(SubscriptionLost::NotEstablished)?;
        self.refresh_all().await?;
        Ok(messages)
    }

    async fn listen(&self, mut messages: PubSubStream) -> SubscriptionLost {
        let mut reconcile_ticks = interval(RECONCILE_INTERVAL);
        reconcile_ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether the last read found a document that no message had announced. The message may still be in flight. If no
        // message arrives within one more interval, the subscription counts as lost.
        let mut message_overdue = false;
        loop {
            tokio::select! {
                biased;
                message = messages.next() => match message {
                    Some(message) => {
                        message_overdue = false;
                        self.apply_message(&message);
                    }
                    None => return SubscriptionLost::Ended,
                },
                _ = reconcile_ticks.tick() => {
                    if message_overdue {
                        return SubscriptionLost::MessageMissing;
                    }
                    match self.refresh_all().await {
                        Ok(found_newer) => message_overdue = found_newer,
                        Err(error) => return error.into(),
                    }
                }
            }
        }
    }

    fn apply_message(&self, message: &Msg) {
        let (channel, json) = (message.get_channel_name(), message.get_payload_bytes());
        if channel == self.channel::<PriceRecord>() {
            self.apply_document::<PriceRecord>(json);
        } else {
            self.apply_document::<MarketSnapshot>(json);
        }
    }

    fn apply_document<T: CachedKind>(&self, json: &[u8]) {
        match Document::<T>::from_json(json.to_vec().into()) {
            Ok(document) => drop(self.0.cache.latest().replace_if_newer(document.into(), self.0.clock.now())),
            Err(error) => {
                tracing::warn!(%error, document = T::NAME, "a published message is not a valid document and is ignored");
            }
        }
    }

    /// Reads all documents into the local cache. Returns whether [`refresh_document`](Self::refresh_document) found a
    /// newer document.
    async fn refresh_all(&self) -> Result<bool, StoreError> {
        Ok(self.refresh_document::<PriceRecord>().await? | self.refresh_document::<MarketSnapshot>().await?)
    }

    /// Reads one document into the local cache. Returns whether Redis had a document that is newer than the cached
    /// document. Any document is newer if none was cached.
    async fn refresh_document<T: CachedKind>(&self) -> Result<bool, StoreError> {
        let now = self.0.clock.now();
        let cached = self.0.cache.latest::<T>().current(now);
        let stored = self.read::<T>(now).await?;
        Ok(stored.is_some_and(|stored| cached.is_none_or(|cached| cached.value().version() < stored.value().version())))
    }
}
