//! The content of an exchange's messages, in one form for all exchanges.

use common::money::DecimalText;

/// The meaning of a message. One message can contain several events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamEvent {
    TickerUpdate(TickerUpdate),
    /// The connection is alive. No pair has changed since its last ticker.
    ConnectionHeartbeat,
    /// The connection is alive. The event names the last trade of one pair.
    PairHeartbeat(PairHeartbeat),
    /// The exchange refused a subscription or another request. Other subscriptions continue.
    RequestRefused(String),
    /// The exchange is reachable but does not trade.
    TradingHalted(String),
    /// The exchange is about to close the connection. The client should reconnect immediately.
    ShutdownAnnounced,
    /// An acknowledgement, or a message of a kind that the client did not subscribe to. It confirms no ticker.
    Ignored,
}

/// New prices of one pair, as the exchange wrote them. A missing price has not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TickerUpdate {
    /// The exchange's symbol of the pair.
    pub(crate) symbol: String,
    pub(crate) last: Option<DecimalText>,
    pub(crate) bid_ask: Option<BidAskText>,
    pub(crate) sequence: Option<Sequence>,
    /// The id of the last trade, at exchanges whose heartbeats repeat this id.
    pub(crate) trade_id: Option<u64>,
}

/// The best bid and the best ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BidAskText {
    pub(crate) bid: DecimalText,
    pub(crate) ask: DecimalText,
}

/// A heartbeat of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PairHeartbeat {
    pub(crate) symbol: String,
    pub(crate) sequence: Sequence,
    /// The id of the last trade of the pair. If no ticker had this id, a ticker was lost or is late.
    pub(crate) last_trade_id: u64,
}

/// The position of a message in a sequence of messages about its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sequence {
    /// A unique number. A repeated number is a duplicate.
    Number(u64),
    /// A time in the exchange's unit. Two different messages can have the same time.
    Time(u64),
}

impl Sequence {
    /// Whether a message with this position is new after a message at `seen`.
    pub(crate) fn is_new_after(self, seen: Self) -> bool {
        match (self, seen) {
            (Self::Number(new), Self::Number(seen)) => new > seen,
            (Self::Time(new), Self::Time(seen)) => new >= seen,
            // Different kinds have no order.
            (Self::Number(_), Self::Time(_)) | (Self::Time(_), Self::Number(_)) => true,
        }
    }
}

#[cfg(test)]
mod tests;
