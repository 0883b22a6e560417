//! Sends the notifications of alerts to a webhook. Each notification is a POST request with the alert as JSON.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    api::alerts::Alert,
    clients::http_client,
    concurrency::backoff::Backoff,
    config::{Live, Secret},
};
use poem::http::StatusCode;
use tokio::{sync::Notify, time::Instant};

use super::post_json;

/// Maximum number of queued notifications. When the queue is full, a new notification replaces the oldest.
const MAX_QUEUED: usize = 256;
/// Base delay before the first retry; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// How long sending a notification is retried. After this time, the notification is outdated.
const MAX_RETRY_TIME: Duration = Duration::from_hours(1);

/// The notifications that wait to be sent. Clones share the queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct WebhookQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queued: Mutex<VecDeque<Alert>>,
    arrived: Notify,
}

impl WebhookQueue {
    /// Queues a notification. Never blocks.
    pub(crate) fn push(&self, alert: Alert) {
        let mut queued = self.queued();
        let dropped = if queued.len() >= MAX_QUEUED { queued.pop_front() } else { None };
        queued.push_back(alert);
        drop(queued);
        self.0.arrived.notify_one();
        if let Some(Alert { name, subject, .. }) = dropped {
            tracing::warn!(alert = name, subject, "too many notifications wait for the webhook; the oldest is dropped");
        }
    }

    async fn next(&self) -> Alert {
        loop {
            let next = self.queued().pop_front();
            match next {
                Some(alert) => return alert,
                None => self.0.arrived.notified().await,
            }
        }
    }

    fn queued(&self) -> MutexGuard<'_, VecDeque<Alert>> {
        self.0.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the queued notifications to `url`, oldest first, and drops them while `url` is not set. Never returns.
    pub(crate) async fn send_all(self, url: Live<Option<Secret>>) {
        let client = http_client();
        loop {
            let alert = self.next().await;
            send(&client, &url, &alert).await;
        }
    }
}

/// A failed attempt.
enum Failure {
    /// Another attempt may succeed.
    Retry(String),
    /// The receiver refuses the notification, and would refuse it again.
    Drop(String),
}

/// Sends one notification. Retries until the notification is accepted, refused or outdated. Each attempt uses the
/// current `url`. Drops the notification if `url` is not set.
async fn send(client: &reqwest::Client, url: &Live<Option<Secret>>, alert: &Alert) {
    let (start, mut backoff) = (Instant::now(), Backoff::new(FIRST_BACKOFF, MAX_BACKOFF));
    let mut has_failed = false;
    loop {
        let (name, subject, state) = (&alert.name, &alert.subject, alert.state);
        let Some(url) = url.get() else { return };
        match post(client, &url, alert).await {
            Ok(()) if has_failed => {
                return tracing::info!(alert = name, subject, %state, "the webhook accepts notifications again");
            }
            Ok(()) => return,
            Err(Failure::Drop(error)) => {
                return tracing::warn!(alert = name, subject, %state, error, "the webhook refuses a notification");
            }
            Err(Failure::Retry(error)) if start.elapsed() >= MAX_RETRY_TIME => {
                return tracing::warn!(alert = name, subject, %state, error, "a notification was not delivered to the webhook");
            }
            Err(Failure::Retry(error)) => {
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!(alert = name, subject, %state, error, "the webhook does not accept a notification; sending is retried");
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        }
    }
}

async fn post(client: &reqwest::Client, url: &Secret, alert: &Alert) -> Result<(), Failure> {
    let status = post_json(client, url.expose(), alert).await.map_err(Failure::Retry)?;
    let is_transient =
        status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    match status {
        _ if status.is_success() => Ok(()),
        _ if is_transient => Err(Failure::Retry(format!("status {status}"))),
        _ => Err(Failure::Drop(format!("status {status}"))),
    }
}

#[cfg(test)]
mod tests;
