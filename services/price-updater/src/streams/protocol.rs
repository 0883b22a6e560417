//! The description of an exchange's WebSocket API: its URL, messages and timeouts.

use std::time::Duration;

use common::money::CurrencyPair;
use url::Url;

use super::stream_event::StreamEvent;
use crate::sources::SourceError;

/// Maximum time without a ticker. An exchange that sends only heartbeats for this long most likely has a fault.
pub(super) const TICKER_TIMEOUT: Duration = Duration::from_secs(20);

/// The WebSocket API of one exchange. Its functions do no I/O.
pub(crate) struct Protocol {
    /// The name of the source that polls the same exchange.
    pub(crate) name: &'static str,
    /// The environment variable with the base URL.
    pub(crate) url_variable: &'static str,
    pub(crate) default_url: &'static str,
    /// The path after the base URL.
    pub(crate) path: &'static str,
    /// Returns the query of the URL for these symbols, if the exchange needs one.
    pub(crate) query: fn(&[String]) -> Option<String>,
    /// Returns the exchange's symbol of a pair.
    pub(crate) symbol: fn(CurrencyPair) -> String,
    /// Returns the messages that subscribe to these symbols.
    pub(crate) subscribe_messages: fn(&[String]) -> Vec<String>,
    /// Parses one text message. A message can contain several events.
    pub(crate) parse: fn(&str) -> Result<Vec<StreamEvent>, SourceError>,
    pub(crate) timeouts: StreamTimeouts,
}

/// When a connection counts as dead or outdated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamTimeouts {
    /// Maximum time without any message.
    pub(crate) message_timeout: Duration,
    /// How to provoke a message. `None` if the exchange sends heartbeats without a request.
    pub(crate) probe: Option<Probe>,
    /// The age at which a connection is replaced. `None` if the exchange does not limit the age of connections.
    pub(crate) max_connection_age: Option<Duration>,
    /// For this long after an update, heartbeats confirm the bid and the ask. `Some` if the exchange sends bid and ask
    /// only with trades, so that the bid and the ask can change without a message. Such an exchange must send heartbeats
    /// for each pair, because a ticker then confirms only its own pair.
    pub(crate) book_validity: Option<Duration>,
}

/// A message that the client sends after a time without messages, and that the exchange answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) after: Duration,
    pub(crate) message: ProbeMessage,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ProbeMessage {
    PingFrame,
    Text(&'static str),
}

impl Protocol {
    /// The URL of a connection for these symbols. A path in `base_url` is kept as a prefix.
    pub(super) fn url(&self, base_url: &Url, symbols: &[String]) -> Url {
        let mut url = base_url.clone();
        url.set_path(&format!("{}{}", base_url.path().trim_end_matches('/'), self.path));
        url.set_query((self.query)(symbols).as_deref());
        url
    }
}

#[cfg(test)]
mod tests;
