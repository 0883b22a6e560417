//! The latest ticker of each pair of a stream, with the time when it was last confirmed. A message *confirms* a ticker
//! if it contains the ticker, or shows that the ticker has not changed.

use std::{collections::BTreeMap, time::Duration};

use common::{
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};

use super::stream_event::{BidAskText, PairHeartbeat, Sequence, StreamEvent, TickerUpdate};
use crate::sources::{PollReply, SourceError, Ticker, TradedPrices};

/// The latest tickers of a stream, over all of its connections.
///
/// The tickers of a closed connection stay, with the time when they were last confirmed. A message of a later
/// connection confirms only the tickers that the later connection has sent.
pub(crate) struct TickerCache {
    /// The pairs by the exchange's symbols.
    pairs: BTreeMap<String, CurrencyPair>,
    /// How long heartbeats confirm the bid and the ask; see [`super::protocol::StreamTimeouts::book_validity`].
    book_validity: Option<Duration>,
    entries: BTreeMap<CurrencyPair, Entry>,
    /// When a message last confirmed all tickers of the current connection.
    confirmed_at: Option<Timestamp>,
    /// Whether the other end of the current connection is exchange-sim.
    simulated: bool,
}

#[derive(Debug, Default)]
struct Entry {
    last: Option<DecimalText>,
    bid_ask: Option<BidAskText>,
    ticker: Option<Result<Ticker, SourceError>>,
    updated_at: Option<Timestamp>,
    /// When the ticker was last confirmed by a heartbeat of its pair, or by any message of an earlier connection.
    confirmed_at: Option<Timestamp>,
    /// The position of the last message that is a heartbeat of the pair or contains bid and ask.
    bid_ask_sequence: Option<Sequence>,
    /// The position of the last ticker message without bid and ask. Binance numbers these messages independently.
    trade_sequence: Option<Sequence>,
    trade_id: Option<u64>,
    /// The id of the last trade according to a heartbeat, until a ticker has this id.
    awaited_trade_id: Option<u64>,
    /// Whether the current connection sent the ticker.
    is_current: bool,
    simulated: bool,
}

/// The effect of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApplyResult {
    /// The ticker of a pair was replaced.
    Updated,
    /// Tickers were confirmed.
    Confirmed,
    /// The event is a duplicate, or older than an event that was applied before.
    Outdated,
    /// The event concerns no known pair, or confirms nothing.
    Ignored,
    /// A message was lost, so the connection is no longer reliable.
    MessageLost,
}

impl ApplyResult {
    /// The value of the metric label `kind`.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Updated => "news",
            Self::Confirmed => "alive",
            Self::Outdated => "old",
            Self::Ignored => "nothing",
            Self::MessageLost => "missed",
        }
    }
}

impl TickerCache {
    /// `pairs` are the pairs by the exchange's symbols.
    pub(crate) fn new(pairs: BTreeMap<String, CurrencyPair>, book_validity: Option<Duration>) -> Self {
        Self { pairs, book_validity, entries: BTreeMap::new(), confirmed_at: None, simulated: false }
    }

    /// Prepares for the messages of a new connection, whose sequence numbers start again.
    pub(crate) fn start_connection(&mut self, simulated: bool) {
        for entry in self.entries.values_mut() {
            // Keep the confirmation by the connection that ended.
            entry.confirmed_at = entry.is_current.then_some(self.confirmed_at).flatten().max(entry.confirmed_at);
            *entry = Entry {
                ticker: entry.ticker.take(),
                updated_at: entry.updated_at,
                confirmed_at: entry.confirmed_at,
                simulated: entry.simulated,
                ..Entry::default()
            };
        }
        (self.confirmed_at, self.simulated) = (None, simulated);
    }

    pub(crate) fn apply_event(&mut self, event: &StreamEvent, now: Timestamp) -> ApplyResult {
        match event {
            StreamEvent::TickerUpdate(update) => self.apply_update(update, now),
            StreamEvent::PairHeartbeat(heartbeat) => self.apply_heartbeat(heartbeat, now),
            StreamEvent::ConnectionHeartbeat => self.confirm_connection(now),
            StreamEvent::RequestRefused(_)
            | StreamEvent::TradingHalted(_)
            | StreamEvent::ShutdownAnnounced
            | StreamEvent::Ignored => ApplyResult::Ignored,
        }
    }

    /// Confirms all tickers of the current connection.
    pub(crate) fn confirm_connection(&mut self, now: Timestamp) -> ApplyResult {
        self.confirmed_at = Some(now);
        ApplyResult::Confirmed
    }

    fn apply_update(&mut self, update: &TickerUpdate, now: Timestamp) -> ApplyResult {
        let Some(&pair) = self.pairs.get(&update.symbol) else { return ApplyResult::Ignored };
        let simulated = self.simulated;
        let entry = self.entries.entry(pair).or_default();
        let seen = if update.bid_ask.is_some() { &mut entry.bid_ask_sequence } else { &mut entry.trade_sequence };
        if let (Some(new), Some(seen)) = (update.sequence, *seen)
            && !new.is_new_after(seen)
        {
            return ApplyResult::Outdated;
        }
        *seen = update.sequence.or(*seen);
        if update.last.is_some() {
            entry.last.clone_from(&update.last);
        }
        if update.bid_ask.is_some() {
            entry.bid_ask.clone_from(&update.bid_ask);
        }
        entry.trade_id = update.trade_id.or(entry.trade_id);
        entry.awaited_trade_id = entry.awaited_trade_id.filter(|awaited| entry.trade_id.is_none_or(|id| id < *awaited));
        let (bid, ask) = entry.bid_ask.as_ref().map(|BidAskText { bid, ask }| (bid, ask)).unzip();
        entry.ticker = Some(Ticker::traded(&TradedPrices { last: entry.last.as_ref(), bid, ask }, now));
        (entry.updated_at, entry.is_current, entry.simulated) = (Some(now), true, simulated);
        // A confirmation that is later than `now` was recorded before the clock was set back.
        entry.confirmed_at = entry.confirmed_at.filter(|confirmed_at| *confirmed_at <= now);
        // If the exchange sends heartbeats for each pair, a message confirms its own pair only.
        if self.book_validity.is_none() {
            self.confirmed_at = Some(now);
        }
        ApplyResult::Updated
    }

    fn apply_heartbeat(&mut self, heartbeat: &PairHeartbeat, now: Timestamp) -> ApplyResult {
        let entry = self.pairs.get(&heartbeat.symbol).and_then(|pair| self.entries.get_mut(pair));
        let Some(entry) = entry.filter(|entry| entry.is_current) else { return ApplyResult::Ignored };
        if entry.bid_ask_sequence.is_some_and(|seen| !heartbeat.sequence.is_new_after(seen)) {
            return ApplyResult::Outdated;
        }
        entry.bid_ask_sequence = Some(heartbeat.sequence);
        match entry.trade_id {
            Some(trade_id) if heartbeat.last_trade_id > trade_id => {
                if entry.awaited_trade_id.is_some() {
                    return ApplyResult::MessageLost;
                }
                entry.awaited_trade_id = Some(heartbeat.last_trade_id);
                ApplyResult::Ignored
            }
            _ => {
                entry.confirmed_at = Some(now);
                ApplyResult::Confirmed
            }
        }
    }

    /// The tickers that were confirmed at most `max_age` before `now`. `observed_at` of a ticker is the time of its
    /// last confirmation, but at most `book_validity` after its last update.
    pub(crate) fn tickers(&self, now: Timestamp, max_age: Duration) -> PollReply {
        let mut reply = PollReply::default();
        for (&pair, entry) in &self.entries {
            let (Some(Ok(ticker)), Some(observed_at)) = (&entry.ticker, self.observed_at(entry)) else { continue };
            // A ticker from the future was confirmed before the clock was set back. A later message confirms it again.
            if now.since(observed_at) <= max_age && !observed_at.is_beyond_skew(now) {
                reply.simulated |= entry.simulated;
                reply.tickers.insert(pair, Ticker { observed_at, ..*ticker });
            }
        }
        reply
    }

    fn observed_at(&self, entry: &Entry) -> Option<Timestamp> {
        let updated_at = entry.updated_at?;
        let connection_confirmed_at = if entry.is_current { self.confirmed_at } else { None };
        let confirmed_at = entry.confirmed_at.max(connection_confirmed_at).map_or(updated_at, |at| at.max(updated_at));
        Some(self.book_validity.map_or(confirmed_at, |validity| confirmed_at.min(updated_at.plus(validity))))
    }
}

#[cfg(test)]
mod tests;
