//! What an exchange says over its websocket, in words that are the same for all of them.

use common::money::DecimalText;

/// What one text of an exchange means. A text may hold several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Prices of one pair.
    Told(Told),
    /// Nothing has changed, and the connection is alive.
    Beat(Option<Beat>),
    /// A subscription, or something else that was asked for, is not given. The others go on.
    Refused(String),
    /// The exchange is there but does not trade.
    Closed(String),
    /// The exchange is about to end the connection: a new one is to be made at once.
    GoingAway,
    /// An acknowledgement, or something that nobody asked for. It proves no more than that somebody speaks.
    Nothing,
}

/// Prices of one pair, as text that no parser has rounded. What is not in it stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// The pair by the exchange's own name.
    pub(crate) symbol: String,
    pub(crate) last: Option<DecimalText>,
    /// Best bid and best ask.
    pub(crate) book: Option<(DecimalText, DecimalText)>,
    pub(crate) order: Option<Order>,
    /// The number of the last trade, where later heartbeats name it.
    pub(crate) trade: Option<u64>,
}

/// A heartbeat of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) symbol: String,
    pub(crate) order: Order,
    /// The number of the pair's last trade: where it is not the one that was told, something was lost.
    pub(crate) last_trade: u64,
}

/// Where a message stands among those of its kind and pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each number is given once: the same again is a duplicate.
    Number(u64),
    /// The exchange's own time in its own unit, which two messages may share.
    Time(u64),
}

impl Order {
    /// Whether a message of this order is news after one of `seen`.
    pub(crate) fn follows(self, seen: Self) -> bool {
        match (self, seen) {
            (Self::Number(new), Self::Number(seen)) => new > seen,
            (Self::Time(new), Self::Time(seen)) => new >= seen,
            // Not of one kind: nothing is known.
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
