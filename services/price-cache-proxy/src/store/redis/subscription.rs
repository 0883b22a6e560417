//! Learning of what other instances write: each write is published in the step that makes it, and every instance listens.

use std::time::Duration;

use common::{
    api::{courses::MarketSnapshot, prices::PriceRecord},
    concurrency::backoff::Backoff,
    concurrency::latest::Document,
    time::Timestamp,
};
use futures_util::StreamExt;
use redis::{Msg, aio::PubSubStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::RedisStore;
use crate::store::{error::StoreError, local_cache::CachedKind};

/// Longest wait for a subscription.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often everything is read although nothing was told: whatever gets lost on its way is found within this time.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(5);
/// First and longest wait before another try to subscribe; up to as much again is added at random.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum SubscriptionLost {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the subscription cannot be had")]
    Refused(#[source] redis::RedisError),
    #[error("no subscription was given in time")]
    Timeout,
    #[error("the subscription ended")]
    Ended,
    /// A connection that looks alive and carries nothing.
    #[error("something was written and the subscription did not tell of it")]
    Silent,
}

fn pauses() -> Backoff {
    Backoff::new(FIRST_PAUSE, MAX_PAUSE)
}

impl RedisStore {
    /// Keeps the shelf as new as Redis is, until `stop`. Subscribes anew whenever the subscription is lost.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        tokio::select! { () = stop.cancelled() => {}, () = self.follow_forever() => {} }
    }

    async fn follow_forever(&self) {
        let (mut backoff, mut unavailable) = (pauses(), false);
        loop {
            let lost = match self.subscribe().await {
                Ok(messages) => {
                    if std::mem::take(&mut unavailable) {
                        tracing::info!("what other instances write is told again");
                    }
                    backoff = pauses();
                    self.listen(messages).await
                }
                Err(lost) => lost,
            };
            if !std::mem::replace(&mut unavailable, true) {
                let error = common::error_chain::format_chain(&lost);
                tracing::warn!(error, "what other instances write is not told until there is another subscription");
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// Subscribes, and then reads: what was written before that is not told, and what comes after is.
    async fn subscribe(&self) -> Result<PubSubStream, SubscriptionLost> {
        let subscribing = async {
            let mut pubsub = self.0.client.get_async_pubsub().await?;
            pubsub.subscribe(&[self.channel::<PriceRecord>(), self.channel::<MarketSnapshot>()]).await?;
            Ok(pubsub.into_on_message())
        };
        let messages = timeout(SUBSCRIBE_TIMEOUT, subscribing).await.map_err(|_| SubscriptionLost::Timeout)?;
        let messages = messages.map_err(SubscriptionLost::Refused)?;
        self.refresh_all().await?;
        Ok(messages)
    }

    async fn listen(&self, mut messages: PubSubStream) -> SubscriptionLost {
        let mut repairs = interval(RECONCILE_INTERVAL);
        repairs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Whether the last repair found something: it may have been on its way, or the subscription is dead.
        let mut missed = false;
        loop {
            tokio::select! {
                biased;
                message = messages.next() => match message {
                    Some(message) => {
                        missed = false;
                        self.apply_message(&message);
                    }
                    None => return SubscriptionLost::Ended,
                },
                _ = repairs.tick() => {
                    if missed {
                        return SubscriptionLost::Silent;
                    }
                    match self.refresh_all().await {
                        Ok(news) => missed = news,
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
            Ok(document) => drop(self.0.cache.latest().replace_if_newer(document.into(), Timestamp::now())),
            Err(error) => tracing::warn!(%error, document = T::NAME, "what was told cannot be read and is passed over"),
        }
    }

    /// Whether anything was new.
    async fn refresh_all(&self) -> Result<bool, StoreError> {
        Ok(self.refresh_document::<PriceRecord>().await? | self.refresh_document::<MarketSnapshot>().await?)
    }

    async fn refresh_document<T: CachedKind>(&self) -> Result<bool, StoreError> {
        let now = Timestamp::now();
        let before = self.0.cache.latest::<T>().current(now);
        let after = self.read::<T>(now).await?;
        Ok(after.is_some_and(|after| before.is_none_or(|before| before.value().as_of() < after.value().as_of())))
    }
}
