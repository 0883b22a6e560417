//! The settings of price streams.

use std::collections::BTreeMap;

use common::config::Env;
use url::Url;

use super::{PROTOCOLS, protocol::Protocol};
use crate::sources::SourceDefinition;

/// The value that disables a stream.
const OFF: &str = "off";

/// Reads the WebSocket base URL of each source. The result omits sources that are only polled.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `BINANCE_WS_URL`, `COINBASE_WS_URL`, `KRAKEN_WS_URL`, `OKX_WS_URL` | the exchange's own URL, or `off` if the HTTP base URL (`BINANCE_URL` and so on) is not the exchange's own | WebSocket base URL, or `off` |
///
/// A source whose HTTP base URL is not the default has no stream by default. Otherwise, a simulated source could have
/// the stream of the real exchange.
pub(crate) fn read_stream_urls(
    env: &mut Env,
    sources: &[(&'static SourceDefinition, Url)],
) -> BTreeMap<&'static str, Url> {
    let stream_url = |(source, url): &(&'static SourceDefinition, Url)| {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == source.name)?;
        let is_default = Url::parse(source.default_url).is_ok_and(|default| default == *url);
        Some((protocol.name, read_stream_url(env, protocol, is_default)?))
    };
    sources.iter().filter_map(stream_url).collect()
}

/// `is_default` is set if the source has its default HTTP base URL.
fn read_stream_url(env: &mut Env, protocol: &Protocol, is_default: bool) -> Option<Url> {
    let parse = |text: &str| {
        if text.eq_ignore_ascii_case(OFF) {
            return Some(None);
        }
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "ws" | "wss") && url.has_host());
        url.map(Some)
    };
    let default = || is_default.then(|| Url::parse(protocol.default_url).expect("the default URL is valid"));
    let allowed = "a ws or wss URL such as wss://ws.kraken.com, or off";
    env.parse_with(protocol.url_variable, allowed, parse).unwrap_or_else(default)
}

#[cfg(test)]
mod tests;
