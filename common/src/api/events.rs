//! What price-cache-proxy pushes: server-sent events, each a whole document, named after its topic.

use std::{fmt, str::FromStr, time::Duration};

/// How often a stream of events says that it is alive where nothing changes.
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long a stream may be silent before its reader takes it for lost. Longer than a hiccup of either machine, shorter than
/// a price lasts.
pub const MAX_SILENCE: Duration = Duration::from_secs(4);

/// A kind of document that is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The price record.
    PriceRecord,
    /// The board of courses.
    MarketSnapshot,
}

impl Topic {
    pub const ALL: &'static [Self] = &[Self::PriceRecord, Self::MarketSnapshot];

    /// Its name in the query and as the type of an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PriceRecord => "record",
            Self::MarketSnapshot => "board",
        }
    }

    /// Reads names with commas between them. Fails where one is unknown or there is none.
    pub fn list(text: &str) -> Result<Vec<Self>, TopicError> {
        let mut topics = text.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<_>, _>>()?;
        topics.sort_unstable();
        topics.dedup();
        Ok(topics)
    }
}

/// Text that names no topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be of record and board, with commas between them")]
pub struct TopicError;

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::ALL.iter().copied().find(|topic| topic.as_str() == text).ok_or(TopicError)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
