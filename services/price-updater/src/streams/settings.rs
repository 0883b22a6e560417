//! Which exchanges are listened to, and where.

use std::collections::BTreeMap;

use common::config::Env;
use url::Url;

use super::{PROTOCOLS, Protocol};
use crate::sources::SourceDefinition;

/// What turns a feed off.
const OFF: &str = "off";

/// Where the websocket of each source is, by the name of the source; those that are polled only are not in it.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `BINANCE_WS_URL`, `COINBASE_WS_URL`, `KRAKEN_WS_URL`, `OKX_WS_URL` | the exchange's own, or `off` where `BINANCE_URL` and so on is not the exchange's own | its websocket, or `off` |
///
/// A source that was moved has no feed unless one is named: the prices of a simulated exchange and of the real one are not
/// to be mixed.
pub(crate) fn read(env: &mut Env, sources: &[(&'static SourceDefinition, Url)]) -> BTreeMap<&'static str, Url> {
    let one = |(source, url): &(&'static SourceDefinition, Url)| {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == source.name)?;
        let own = Url::parse(source.default_url).is_ok_and(|own| own == *url);
        Some((protocol.name, address(env, protocol, own)?))
    };
    sources.iter().filter_map(one).collect()
}

fn address(env: &mut Env, protocol: &Protocol, own: bool) -> Option<Url> {
    let read = |text: &str| {
        if text.eq_ignore_ascii_case(OFF) {
            return Some(None);
        }
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "ws" | "wss") && url.has_host());
        url.map(Some)
    };
    let default = || own.then(|| Url::parse(protocol.default_url).expect("a default address is right"));
    let given = env.parse_with(protocol.url_variable, "an address such as wss://ws.kraken.com, or off", read);
    given.unwrap_or_else(default)
}

#[cfg(test)]
mod tests;
