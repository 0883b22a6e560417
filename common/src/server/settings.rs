//! The settings that every service reads for its server.

use std::{net::IpAddr, time::Duration};

use poem::http::HeaderValue;
use url::{Host, Position, Url};

use super::limits::{DEFAULT_MAX_CONNECTIONS, MAX_SHUTDOWN_DELAY_SECS, MIN_CONNECTIONS, RESERVED_DESCRIPTORS};
use crate::config::{Env, is_loopback, shared::parse_distinct};

#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Maximum number of open connections. Further connections are refused.
    pub max_connections: usize,
    /// Whether `MAX_CONNECTIONS` is set.
    pub max_connections_is_set: bool,
    /// How long the service continues to serve after the signal to stop, while it reports that it is not ready.
    pub shutdown_delay: Duration,
    pub allowed_hosts: AllowedHosts,
    pub cors_origins: CorsOrigins,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_connections_is_set: false,
            shutdown_delay: Duration::ZERO,
            allowed_hosts: AllowedHosts::default(),
            cors_origins: CorsOrigins::default(),
        }
    }
}

impl ServerConfig {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `MAX_CONNECTIONS` | 2048 | maximum number of open connections |
    /// | `SHUTDOWN_DELAY_SECS` | 0 | how long the service serves after the signal to stop |
    /// | `ALLOWED_HOSTS` | none | host names of the service besides those of loopback |
    /// | `CORS_ORIGINS` | none | origins of web pages that may use the service |
    pub fn from_env(env: &mut Env) -> Self {
        let max_connections = env.whole_number("MAX_CONNECTIONS", DEFAULT_MAX_CONNECTIONS as u64, 1..=1_000_000);
        Self {
            max_connections: usize::try_from(max_connections).unwrap_or(DEFAULT_MAX_CONNECTIONS),
            max_connections_is_set: env.text("MAX_CONNECTIONS").is_some(),
            shutdown_delay: env.seconds("SHUTDOWN_DELAY_SECS", 0, 0..=MAX_SHUTDOWN_DELAY_SECS),
            allowed_hosts: AllowedHosts::from_env(env),
            cors_origins: CorsOrigins::from_env(env),
        }
    }
}

/// The configured host names of a service.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Reads `ALLOWED_HOSTS`.
    fn from_env(env: &mut Env) -> Self {
        let parse = |text: &str| parse_distinct(text, parse_host_name).map(Self);
        env.parse_with("ALLOWED_HOSTS", "host names without ports, separated by commas", parse).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `name` is a configured name or a name of loopback. If `loopback` is false, also allows IP addresses and
    /// names without a dot, because other services and probes use them.
    pub(super) fn contain(&self, name: &str, loopback: bool) -> bool {
        let without_brackets = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = without_brackets.trim_end_matches('.').to_ascii_lowercase();
        let is_local = if let Ok(address) = name.parse::<IpAddr>() {
            !loopback || is_loopback(address)
        } else {
            let is_single_label = !name.is_empty() && !name.contains('.');
            name == "localhost" || name.ends_with(".localhost") || (!loopback && is_single_label)
        };
        is_local || self.0.contains(&name)
    }
}

fn parse_host_name(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    match Host::parse(text).ok()? {
        Host::Domain(name) => is_name(&name).then_some(name),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// The origins of web pages that may send requests and read responses.
#[derive(Debug, Clone, Default)]
pub struct CorsOrigins(Vec<HeaderValue>);

impl CorsOrigins {
    /// Reads `CORS_ORIGINS`.
    fn from_env(env: &mut Env) -> Self {
        let parse = |text: &str| parse_distinct(text, parse_origin).map(Self);
        env.parse_with("CORS_ORIGINS", "origins separated by commas, such as https://shop.example", parse)
            .unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contain(&self, origin: &HeaderValue) -> bool {
        self.0.contains(origin)
    }
}

/// An origin in the form in which browsers send it.
fn parse_origin(text: &str) -> Option<HeaderValue> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let is_origin = url[Position::BeforePath..].trim_matches('/').is_empty() && url.username().is_empty();
    is_origin.then(|| HeaderValue::from_str(&url.origin().ascii_serialization()).ok()).flatten()
}

/// The minimum number of file descriptors of a process with this number of services.
pub fn required_descriptors(services: u64) -> u64 {
    services * (RESERVED_DESCRIPTORS + DESCRIPTORS_PER_CONNECTION * MIN_CONNECTIONS)
}

/// One for the connection of the client, and one for a call to another service.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;

/// If the file descriptors limit the connections to fewer than this number, a warning is logged even if
/// `MAX_CONNECTIONS` is not set.
const FEW_CONNECTIONS: usize = 256;

impl ServerConfig {
    /// Lowers the maximum number of connections so that `services` services in one process need at most `descriptors`
    /// file descriptors.
    #[must_use]
    pub fn within_descriptors(self, descriptors: u64, services: u64) -> Self {
        let for_connections = (descriptors / services.max(1)).saturating_sub(RESERVED_DESCRIPTORS);
        let fitting = usize::try_from(for_connections / DESCRIPTORS_PER_CONNECTION).unwrap_or(usize::MAX);
        let requested = self.max_connections;
        if fitting < requested && (self.max_connections_is_set || fitting < FEW_CONNECTIONS) {
            tracing::warn!(
                descriptors,
                requested,
                max_connections = fitting,
                "each service accepts fewer connections, because the process may open only few files (ulimit -n)"
            );
        } else if fitting < requested {
            tracing::info!(
                descriptors,
                max_connections = fitting,
                "the number of files that the process may open limits the connections of each service"
            );
        }
        Self { max_connections: self.max_connections.min(fitting), ..self }
    }
}

#[cfg(test)]
mod tests;
