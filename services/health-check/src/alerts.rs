//! Alerts: the rules that find faults, the state of each alert, silences, and the notification of operators.
//!
//! Each second, [`rules`] finds the faults in the health of the platform, and [`tracker`] decides which alerts fire.
//! Only the tasks of [`webhook`] and [`alertmanager`] wait for the network.

pub(crate) mod alertmanager;
pub(crate) mod rules;
pub(crate) mod silences;
pub(crate) mod tracker;
pub(crate) mod webhook;

use std::time::Duration;

use common::{
    api::{
        alerts::{Alert, AlertState, Silence},
        health::Health,
    },
    config::{Env, Live, Secret},
    error_chain::format_chain,
};
use poem::http::StatusCode;
use serde::Serialize;
use url::Url;

use self::{
    alertmanager::AlertmanagerFeed,
    rules::{Thresholds, find_faults},
    silences::Silences,
    tracker::AlertTracker,
    webhook::WebhookQueue,
};
use crate::clock::Instants;

/// The deadline of one request to a webhook or to Alertmanager.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings of alerts.
#[derive(Debug, Clone, Default)]
pub struct AlertConfig {
    /// The URL to which notifications are sent as POST requests. It can contain a secret.
    pub webhook_url: Option<Secret>,
    /// The URL of Alertmanager. It can contain a password.
    pub alertmanager_url: Option<Secret>,
    pub(crate) thresholds: Thresholds,
}

impl AlertConfig {
    pub fn from_env(env: &mut Env) -> Self {
        let default = Thresholds::default();
        let mut percent = |name, default: i64| {
            let value = env.whole_number(name, u64::try_from(default).unwrap_or(0), 0..=99);
            i64::try_from(value).unwrap_or(0)
        };
        let thresholds = Thresholds {
            disk_percent: percent("ALERT_DISK_PERCENT", default.disk_percent),
            memory_percent: percent("ALERT_MEMORY_PERCENT", default.memory_percent),
        };
        Self {
            webhook_url: secret_url(env, "ALERT_WEBHOOK_URL", "https://hooks.example/alerts"),
            alertmanager_url: secret_url(env, "ALERTMANAGER_URL", "http://127.0.0.1:9093"),
            thresholds,
        }
    }
}

/// Reads a URL. Any part of the URL can contain a secret, so errors do not show the URL.
fn secret_url(env: &mut Env, name: &str, example: &str) -> Option<Secret> {
    let text = env.text(name)?.to_owned();
    let is_valid = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if !Url::parse(&text).is_ok_and(is_valid) {
        env.add_error(name, "***", &format!("an http or https address, such as {example}"));
    }
    Some(Secret::new(text))
}

/// Sends a POST request with a JSON body. Returns the status of the response. The error does not contain the URL, which
/// can contain a secret.
async fn post_json(client: &reqwest::Client, url: &str, body: &impl Serialize) -> Result<StatusCode, String> {
    let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
    let request = client.post(url).header("content-type", "application/json").body(body);
    let response = request.timeout(REQUEST_TIMEOUT).send().await;
    response.map(|response| response.status()).map_err(|error| format_chain(&error.without_url()))
}

/// The configured receivers of notifications. If neither URL is set, alerts are only shown. Clones share the queues and
/// the URLs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notifiers {
    webhook: WebhookQueue,
    webhook_url: Live<Option<Secret>>,
    alertmanager: AlertmanagerFeed,
    alertmanager_url: Live<Option<Secret>>,
}

impl Notifiers {
    pub(crate) fn new(config: AlertConfig) -> Self {
        let notifiers = Self::default();
        notifiers.set_urls(config);
        notifiers
    }

    /// Replaces the URLs, also for the notifications that wait.
    pub(crate) fn set_urls(&self, AlertConfig { webhook_url, alertmanager_url, .. }: AlertConfig) {
        self.webhook_url.replace(webhook_url);
        self.alertmanager_url.replace(alertmanager_url);
    }

    /// Sends notifications. Never returns.
    pub(crate) async fn send(self) {
        let Self { webhook, webhook_url, alertmanager, alertmanager_url } = self;
        tokio::join!(webhook.send_all(webhook_url), alertmanager.send_all(alertmanager_url));
    }
}

/// The alerts, the silences, and the queues of the receivers of notifications.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    thresholds: Thresholds,
    tracker: AlertTracker,
    pub(crate) silences: Silences,
    notifiers: Notifiers,
}

impl Alerts {
    pub(crate) fn new(thresholds: Thresholds, notifiers: &Notifiers, silences: Vec<Silence>) -> Self {
        Self { thresholds, notifiers: notifiers.clone(), silences: Silences::new(silences), ..Self::default() }
    }

    pub(crate) fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds;
    }

    /// Updates the alerts with the health of the platform, and queues the notifications. Never waits.
    pub(crate) fn update(&mut self, health: &Health, now: Instants) {
        let faults = find_faults(health, self.thresholds);
        self.silences.remove_ended(now.wall);
        let silences = &self.silences;
        let changed = self.tracker.update(faults, |alert| silences.matching_silence(alert), now);
        for alert in changed {
            let Alert { name, subject, severity, state, summary, .. } = &alert;
            tracing::info!(alert = name, subject, %severity, summary, "the alert is {state}");
            // While no URL is set, the task that sends notifications discards them.
            self.notifiers.webhook.push(alert);
        }
        let shown = self.tracker.alerts().filter(|alert| alert.state != AlertState::Pending).collect();
        self.notifiers.alertmanager.publish(shown);
    }

    /// All alerts: firing alerts, then pending alerts, then resolved alerts. Within a state, the most severe alerts
    /// come first. Of alerts with the same severity, the newest come first.
    pub(crate) fn list(&self) -> Vec<Alert> {
        let rank = |state| match state {
            AlertState::Firing => 0,
            AlertState::Pending => 1,
            AlertState::Resolved => 2,
        };
        let mut alerts: Vec<_> = self.tracker.alerts().collect();
        alerts.sort_by(|a, b| {
            let key = |alert: &Alert| (rank(alert.state), alert.severity, std::cmp::Reverse(alert.since));
            key(a).cmp(&key(b)).then_with(|| (&a.name, &a.subject).cmp(&(&b.name, &b.subject)))
        });
        alerts
    }
}

#[cfg(test)]
mod tests;
