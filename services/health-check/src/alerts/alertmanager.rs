//! Sends firing and resolved alerts to Alertmanager after each change and at regular intervals, as Prometheus does.
//! Firing alerts with a silence are not sent. Alertmanager resolves an alert that is not sent again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{
    api::alerts::{Alert, AlertState},
    clients::http_client,
    concurrency::backoff::Backoff,
    config::{Live, Secret},
    time::Timestamp,
};
use serde::Serialize;
use tokio::{sync::watch, time::Instant};

use super::post_json;

/// Interval at which the alerts are sent if none of them changes.
const RESEND_INTERVAL: Duration = Duration::from_secs(60);
/// Time after which Alertmanager resolves a firing alert that is not sent again.
const LIFETIME: Duration = Duration::from_secs(240);
/// Base delay before the first retry; see [`Backoff`].
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(15);

/// The latest alerts. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct AlertmanagerFeed(Arc<watch::Sender<Vec<Alert>>>);

impl Default for AlertmanagerFeed {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }
}

impl AlertmanagerFeed {
    /// Replaces the alerts that are sent. Never blocks.
    pub(crate) fn publish(&self, alerts: Vec<Alert>) {
        self.0.send_if_modified(|current| {
            let is_changed = *current != alerts;
            *current = alerts;
            is_changed
        });
    }

    /// Sends the alerts to `url` whenever the alerts or `url` change, and at regular intervals. Retries a failed
    /// request after a backoff. Sends nothing while `url` is not set. Never returns.
    pub(crate) async fn send_all(self, url: Live<Option<Secret>>) {
        let client = http_client();
        let mut url_changes = url.subscribe();
        let mut alerts = self.0.subscribe();
        alerts.mark_changed();
        let mut backoff = Backoff::new(FIRST_BACKOFF, MAX_BACKOFF);
        let mut failed = false;
        loop {
            let wait = if failed { backoff.next_delay() } else { RESEND_INTERVAL };
            let until = Instant::now() + wait;
            if failed {
                tokio::time::sleep_until(until).await;
            } else {
                // `self` and `url` keep the senders, so the channels are not closed.
                let change = async {
                    tokio::select! { _ = alerts.changed() => {}, _ = url_changes.changed() => {} }
                };
                let _ = tokio::time::timeout_at(until, change).await;
            }
            let url = url_changes.borrow_and_update().clone();
            let Some(url) = url.map(|url| format!("{}/api/v2/alerts", url.expose().trim_end_matches('/'))) else {
                failed = false;
                continue;
            };
            let postable = postable_alerts(&alerts.borrow_and_update(), Timestamp::now());
            if postable.is_empty() {
                failed = false;
                continue;
            }
            match post(&client, &url, &postable).await {
                Ok(()) => {
                    if failed {
                        tracing::info!("Alertmanager accepts alerts again");
                        backoff = Backoff::new(FIRST_BACKOFF, MAX_BACKOFF);
                    }
                    failed = false;
                }
                Err(error) => {
                    if !failed {
                        tracing::warn!(error, "Alertmanager does not accept alerts; sending is retried");
                    }
                    failed = true;
                }
            }
        }
    }
}

/// An alert in the format of `POST /api/v2/alerts` of Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PostableAlert {
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

/// The alerts to send. A silenced alert is not sent while it fires. Its resolution is sent, because Alertmanager possibly
/// received the alert before the silence.
fn postable_alerts(alerts: &[Alert], now: Timestamp) -> Vec<PostableAlert> {
    let sent = alerts.iter().filter(|alert| alert.state == AlertState::Resolved || alert.silence.is_none());
    let body = |alert: &Alert| {
        let labels = [("alertname", &alert.name), ("subject", &alert.subject)];
        let mut labels: BTreeMap<_, _> = labels.map(|(name, value)| (name, value.clone())).into();
        labels.insert("severity", alert.severity.to_string());
        labels.insert("job", "buydesk".to_owned());
        if let Some(service) = &alert.service {
            labels.insert("service", service.clone());
        }
        let annotations = [("summary", &alert.summary), ("runbook_url", &alert.runbook_url)];
        PostableAlert {
            labels,
            annotations: annotations.map(|(name, value)| (name, value.clone())).into(),
            starts_at: alert.since,
            ends_at: alert.resolved_at.unwrap_or_else(|| now.plus(LIFETIME)),
        }
    };
    sent.map(body).collect()
}

async fn post(client: &reqwest::Client, url: &str, postable: &[PostableAlert]) -> Result<(), String> {
    let status = post_json(client, url, &postable).await?;
    if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
}

#[cfg(test)]
mod tests;
