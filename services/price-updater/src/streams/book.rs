//! What a feed knows: the newest ticker of each direction, and until when it is proved.

use std::{collections::BTreeMap, time::Duration};

use common::{
    money::{CurrencyPair, DecimalText},
    time::Timestamp,
};

use super::event::{Beat, Event, Order, Told};
use crate::sources::{SourceError, Ticker, TradedPrices};

/// The newest of everything, of one connection after the other.
///
/// What an earlier connection told stays, with the time when it was last proved, until the present one tells the direction
/// again: no heartbeat of the present one proves it.
pub(crate) struct Book {
    names: BTreeMap<String, CurrencyPair>,
    /// See [`super::protocol::StreamTimeouts::book_keeps`].
    keeps: Option<Duration>,
    entries: BTreeMap<CurrencyPair, Entry>,
    /// When something last proved that nothing of the whole connection was missed.
    alive_at: Option<Timestamp>,
    simulated: bool,
}

#[derive(Debug, Default)]
struct Entry {
    last: Option<DecimalText>,
    book: Option<(DecimalText, DecimalText)>,
    ticker: Option<Result<Ticker, SourceError>>,
    told_at: Option<Timestamp>,
    /// When a heartbeat of this pair last proved it.
    proved_at: Option<Timestamp>,
    /// Of the messages with a book in them, and of the others: Binance counts the two apart.
    orders: [Option<Order>; 2],
    trade: Option<u64>,
    /// A later trade than the one that was told, which a heartbeat named: its ticker may still be on the way.
    missed: Option<u64>,
    /// Whether the present connection told it.
    present: bool,
    simulated: bool,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Prices were told.
    News,
    /// The connection is alive, and that proves what was told before.
    Alive,
    /// Older than what is known, or the same again.
    Old,
    /// It is about nothing that was asked for, and proves nothing.
    Nothing,
    /// Something was missed: the connection cannot be believed any more.
    Missed,
}

impl Taken {
    /// For metrics: one of a fixed set of words.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Alive => "alive",
            Self::Old => "old",
            Self::Nothing => "nothing",
            Self::Missed => "missed",
        }
    }
}

impl Book {
    pub(crate) fn new(names: BTreeMap<String, CurrencyPair>, keeps: Option<Duration>) -> Self {
        Self { names, keeps, entries: BTreeMap::new(), alive_at: None, simulated: false }
    }

    /// A new connection begins: its messages are in an order of their own.
    pub(crate) fn begin(&mut self, simulated: bool) {
        for entry in self.entries.values_mut() {
            // What proved the whole of the connection that is over proves it no further.
            entry.proved_at = entry.present.then_some(self.alive_at).flatten().max(entry.proved_at);
            (entry.present, entry.orders, entry.trade, entry.missed) = (false, [None; 2], None, None);
            (entry.last, entry.book) = (None, None);
        }
        (self.alive_at, self.simulated) = (None, simulated);
    }

    pub(crate) fn take(&mut self, event: &Event, now: Timestamp) -> Taken {
        match event {
            Event::Told(told) => self.told(told, now),
            Event::Beat(Some(beat)) => self.beat(beat, now),
            Event::Beat(None) => self.alive(now),
            Event::Refused(_) | Event::Closed(_) | Event::GoingAway | Event::Nothing => Taken::Nothing,
        }
    }

    /// Something proves that the connection is whole, and with it everything that it told.
    pub(crate) fn alive(&mut self, now: Timestamp) -> Taken {
        self.alive_at = Some(now);
        Taken::Alive
    }

    fn told(&mut self, told: &Told, now: Timestamp) -> Taken {
        let Some(&direction) = self.names.get(&told.symbol) else { return Taken::Nothing };
        let simulated = self.simulated;
        let entry = self.entries.entry(direction).or_default();
        let seen = &mut entry.orders[usize::from(told.book.is_some())];
        if let (Some(new), Some(seen)) = (told.order, *seen)
            && !new.follows(seen)
        {
            return Taken::Old;
        }
        *seen = told.order.or(*seen);
        if told.last.is_some() {
            entry.last.clone_from(&told.last);
        }
        if told.book.is_some() {
            entry.book.clone_from(&told.book);
        }
        entry.trade = told.trade.or(entry.trade);
        entry.missed = entry.missed.filter(|missed| entry.trade.is_none_or(|told| told < *missed));
        let (bid, ask) = entry.book.as_ref().map(|(bid, ask)| (bid, ask)).unzip();
        entry.ticker = Some(Ticker::traded(&TradedPrices { last: entry.last.as_ref(), bid, ask }, now));
        (entry.told_at, entry.present, entry.simulated) = (Some(now), true, simulated);
        self.alive_if_whole(now);
        Taken::News
    }

    /// Where heartbeats are of single pairs, a message proves no more than its own pair.
    fn alive_if_whole(&mut self, now: Timestamp) {
        if self.keeps.is_none() {
            self.alive_at = Some(now);
        }
    }

    fn beat(&mut self, beat: &Beat, now: Timestamp) -> Taken {
        let entry = self.names.get(&beat.symbol).and_then(|direction| self.entries.get_mut(direction));
        let Some(entry) = entry.filter(|entry| entry.present) else { return Taken::Nothing };
        let seen = &mut entry.orders[1];
        if seen.is_some_and(|seen| !beat.order.follows(seen)) {
            return Taken::Old;
        }
        *seen = Some(beat.order);
        match entry.trade {
            Some(told) if beat.last_trade > told => {
                if entry.missed.is_some() {
                    return Taken::Missed;
                }
                entry.missed = Some(beat.last_trade);
                Taken::Nothing
            }
            _ => {
                entry.proved_at = Some(now);
                Taken::Alive
            }
        }
    }

    /// The tickers that were proved not longer than `fresh` before `now`, each with the time when it was last proved, and
    /// whether any of them is simulated.
    pub(crate) fn tickers(&self, now: Timestamp, fresh: Duration) -> (BTreeMap<CurrencyPair, Ticker>, bool) {
        let mut simulated = false;
        let one = |(&direction, entry): (&CurrencyPair, &Entry)| {
            let ticker = *entry.ticker.as_ref()?.as_ref().ok()?;
            let observed_at = self.observed_at(entry)?;
            (now.since(observed_at) <= fresh).then(|| {
                simulated |= entry.simulated;
                (direction, Ticker { observed_at, ..ticker })
            })
        };
        let tickers = self.entries.iter().filter_map(one).collect();
        (tickers, simulated)
    }

    fn observed_at(&self, entry: &Entry) -> Option<Timestamp> {
        let told_at = entry.told_at?;
        let whole = if entry.present { self.alive_at } else { None };
        let proved = told_at.max(entry.proved_at.unwrap_or(told_at)).max(whole.unwrap_or(told_at));
        Some(self.keeps.map_or(proved, |keeps| proved.min(told_at.plus(keeps))))
    }
}

#[cfg(test)]
mod tests;
