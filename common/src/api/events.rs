//! The server-sent events of price-cache-proxy. Each event has the name of its topic and contains a whole document.

use std::{fmt, time::Duration};

use crate::spelling::must_each_be_one_of;

/// Interval at which an idle event stream sends a comment, which shows the reader that the stream works.
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long a stream may be silent before its reader closes it. It is longer than a short stall of the sender or the
/// reader, and shorter than the validity of a price.
pub const MAX_STREAM_SILENCE: Duration = Duration::from_secs(4);

/// A kind of document that is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    PriceRecord,
    MarketSnapshot,
}

impl Topic {
    pub const ALL: &'static [Self] = &[Self::PriceRecord, Self::MarketSnapshot];

    /// The name of the topic in a query string and in an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PriceRecord => "record",
            Self::MarketSnapshot => "board",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|topic| topic.as_str() == name)
    }

    /// Parses a comma-separated list of one or more topics.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, TopicError> {
        let names: Vec<_> = text.split(',').map(str::trim).collect();
        let unknown: Vec<_> = names.iter().copied().filter(|name| Self::from_name(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(TopicError(must_each_be_one_of(&unknown, Self::ALL)));
        }
        let mut topics: Vec<_> = names.into_iter().filter_map(Self::from_name).collect();
        topics.sort_unstable();
        topics.dedup();
        Ok(topics)
    }
}

/// Text that is not a list of topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TopicError(String);

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
