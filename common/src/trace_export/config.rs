//! The settings of traces. They have the names that OpenTelemetry specifies.

use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::config::Env;

const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

#[derive(Debug, Clone)]
pub struct Config {
    /// The URL to which spans are sent.
    pub(super) endpoint: Url,
    /// Additional request headers, such as credentials.
    pub(super) headers: HeaderMap,
    /// Replaces the names of the services in exported spans.
    pub(super) service_name: Option<String>,
    pub(super) sampler: Sampler,
}

impl Config {
    /// Returns `None` if `OTEL_EXPORTER_OTLP_ENDPOINT` is not set, which turns traces off.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let endpoint = env.optional_url("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let headers = read_headers(env);
        let service_name = env.text("OTEL_SERVICE_NAME").map(str::to_owned);
        let sampler = read_sampler(env);
        let mut endpoint = endpoint?;
        endpoint.set_path(&format!("{}/v1/traces", endpoint.path().trim_end_matches('/')));
        Some(Self { endpoint, headers, service_name, sampler })
    }
}

fn read_sampler(env: &mut Env) -> Sampler {
    let is_ratio = |ratio: &f64| (0.0..=1.0).contains(ratio);
    let parse_ratio = |text: &str| text.parse().ok().filter(is_ratio);
    let ratio = env.parse_with("OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1", parse_ratio).unwrap_or(1.0);
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    let parse = |text: &str| match text {
        "always_on" => Some(Sampler::AlwaysOn),
        "always_off" => Some(Sampler::AlwaysOff),
        "traceidratio" => Some(Sampler::TraceIdRatioBased(ratio)),
        "parentbased_always_on" => Some(parent_based(Sampler::AlwaysOn)),
        "parentbased_always_off" => Some(parent_based(Sampler::AlwaysOff)),
        "parentbased_traceidratio" => Some(parent_based(Sampler::TraceIdRatioBased(ratio))),
        _ => None,
    };
    let allowed = "one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                   parentbased_traceidratio";
    let sampler = env.parse_with("OTEL_TRACES_SAMPLER", allowed, parse);
    sampler.unwrap_or_else(|| parent_based(Sampler::TraceIdRatioBased(ratio)))
}

fn read_headers(env: &mut Env) -> HeaderMap {
    let allowed = "headers as NAME=VALUE, separated by commas, with percent-encoded values";
    env.parse_secret_with(HEADERS, allowed, parse_headers).unwrap_or_default()
}

fn parse_headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in text.split(',').map(str::trim).filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once('=')?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}

#[cfg(test)]
mod tests;
