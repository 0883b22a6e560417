//! Probes of nginx, which sends no heartbeats. nginx is an optional component of health-check.

use std::{collections::HashSet, sync::Arc, time::Duration};

use common::{
    api::health::Component,
    clients::{describe_transport_failure, http_client_with_timeout},
    config::{Env, Live},
    server::ReadinessCheck,
};
use futures_util::future::join_all;
use poem::http::header;
use tokio::{sync::Mutex, time::Instant};
use url::Url;

/// Maximum number of URLs in `NGINX_URL`.
const MAX_URLS: usize = 8;
/// The deadline of a probe, including the time to connect. Shorter than the deadline of a readiness check, so that
/// the check reports the failed probe.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long the result of a probe is used. Anyone can request the readiness of health-check, and frequent requests
/// must not cause frequent probes.
const RESULT_LIFETIME: Duration = Duration::from_secs(1);
/// The path of the request if a URL has no path. nginx itself responds at this path
/// (`deployment/nginx/conf/paths.conf`).
const DEFAULT_PATH: &str = "/livez";

/// Reads `NGINX_URL`: the URLs at which nginx is probed, without duplicates.
pub(crate) fn urls_from_env(env: &mut Env) -> Vec<Url> {
    let mut urls = env.urls("NGINX_URL", MAX_URLS, "http://127.0.0.1:8080");
    for url in urls.iter_mut().filter(|url| url.path() == "/") {
        url.set_path(DEFAULT_PATH);
    }
    let mut distinct = HashSet::new();
    urls.retain(|url| distinct.insert(url.clone()));
    urls
}

/// Probes each URL of nginx. Clones share the URLs, the client and the last result.
#[derive(Debug, Clone)]
pub(crate) struct NginxProbe {
    http: reqwest::Client,
    urls: Live<Arc<[Url]>>,
    /// Locked during a probe, so that concurrent checks wait for one probe.
    last: Arc<Mutex<Option<ProbeResult>>>,
}

#[derive(Debug)]
struct ProbeResult {
    ended_at: Instant,
    urls: Arc<[Url]>,
    components: Vec<Component>,
}

impl NginxProbe {
    pub(crate) fn new(urls: Vec<Url>) -> Self {
        Self { http: http_client_with_timeout(PROBE_TIMEOUT), urls: Live::new(urls.into()), last: Arc::default() }
    }

    pub(crate) fn set_urls(&self, urls: Vec<Url>) {
        self.urls.set(urls.into());
    }

    /// The readiness check for the heartbeats of health-check. The details of the components contain the URLs.
    pub(crate) fn readiness_check(&self) -> ReadinessCheck {
        let probe = self.clone();
        Arc::new(move || {
            let probe = probe.clone();
            // The probe continues if the client of this check disconnects, because other checks can wait for its
            // result.
            let check = tokio::spawn(async move { probe.components().await });
            Box::pin(async move { check.await.unwrap_or_default() })
        })
    }

    /// The readiness check for `/readyz`, which anyone can request. Beyond loopback (`restricted`), the components have
    /// no details, as in [`without_details`](crate::operator::without_details).
    pub(crate) fn public_readiness_check(&self, restricted: bool) -> ReadinessCheck {
        let check = self.readiness_check();
        if !restricted {
            return check;
        }
        Arc::new(move || {
            let checked = check();
            Box::pin(async move {
                checked.await.into_iter().map(|component| Component { detail: None, ..component }).collect()
            })
        })
    }

    /// Returns a component for each URL. Probes the URLs if the last result is too old, or if the URLs
    /// have changed since.
    async fn components(&self) -> Vec<Component> {
        let mut last = self.last.lock().await;
        let urls = self.urls.get();
        if let Some(last) = &*last
            && last.urls == urls
            && last.ended_at.elapsed() < RESULT_LIFETIME
        {
            return last.components.clone();
        }
        let components = self.probe_all(&urls).await;
        *last = Some(ProbeResult { ended_at: Instant::now(), urls, components: components.clone() });
        components
    }

    /// Probes all URLs at the same time.
    async fn probe_all(&self, urls: &[Url]) -> Vec<Component> {
        let names = component_names(urls.len());
        let probes = names.into_iter().zip(urls.iter()).map(async |(name, url)| {
            let result = self.probe(url).await.map_err(|error| format!("{url} {error}"));
            Component::of_check(name, result).optional()
        });
        join_all(probes).await
    }

    /// Sends one request on a new connection, so that the probe also tests whether nginx accepts connections.
    async fn probe(&self, url: &Url) -> Result<(), String> {
        let request = self.http.get(url.clone()).header(header::CONNECTION, "close");
        let response = request.send().await.map_err(|error| describe_error(&error))?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("responds with status {status}")) }
    }
}

/// The names of the components: `nginx`, or `nginx-1`, `nginx-2` and so on. The names contain no URLs, because
/// anyone can see the names of components.
fn component_names(count: usize) -> Vec<String> {
    match count {
        1 => vec![Component::NGINX.to_owned()],
        _ => (1..=count).map(|number| format!("{}-{number}", Component::NGINX)).collect(),
    }
}

fn describe_error(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("does not respond within {} ms", PROBE_TIMEOUT.as_millis());
    }
    let failure = if error.is_connect() { "cannot be reached" } else { "does not respond" };
    format!("{failure}: {}", describe_transport_failure(error, PROBE_TIMEOUT))
}

#[cfg(test)]
mod tests;
