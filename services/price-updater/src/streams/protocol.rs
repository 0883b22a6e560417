//! How one exchange's websocket is spoken to, and what it permits.

use std::time::Duration;

use common::money::CurrencyPair;
use url::Url;

use super::event::Event;
use crate::sources::SourceError;

/// An exchange's websocket. All of it is pure: texts go in, words that are the same for every exchange come out.
pub(crate) struct Protocol {
    /// The name of the source that it belongs to.
    pub(crate) name: &'static str,
    /// The variable that sets where it is.
    pub(crate) url_variable: &'static str,
    pub(crate) default_url: &'static str,
    /// What follows the address.
    pub(crate) path: &'static str,
    /// The query of the address, where pairs are named in it.
    pub(crate) query: fn(&[String]) -> Option<String>,
    /// What the exchange calls a direction.
    pub(crate) symbol: fn(CurrencyPair) -> String,
    /// What is sent to be told of these pairs.
    pub(crate) subscribe: fn(&[String]) -> Vec<String>,
    pub(crate) read: fn(&str) -> Result<Vec<Event>, SourceError>,
    pub(crate) limits: StreamTimeouts,
}

/// What is held against a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamTimeouts {
    /// A connection on which nothing at all came for so long is dead.
    pub(crate) silence: Duration,
    /// After how long a silence the exchange is asked whether it is there, and how; nothing where it beats by itself.
    pub(crate) probe: Option<(Duration, Probe)>,
    /// How long a connection is kept, where the exchange cuts older ones.
    pub(crate) max_life: Option<Duration>,
    /// How long heartbeats prove a book, where it is told with trades alone: after that it may have moved on unseen.
    pub(crate) book_keeps: Option<Duration>,
}

/// How an exchange is asked whether it is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Probe {
    /// By a frame.
    Ping,
    /// By a text.
    Text(&'static str),
}

impl Protocol {
    /// The whole address; a path in `base` stays in front.
    pub(crate) fn url(&self, base: &Url, symbols: &[String]) -> Url {
        let mut url = base.clone();
        url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), self.path));
        url.set_query((self.query)(symbols).as_deref());
        url
    }
}

#[cfg(test)]
mod tests;
