//! What a feed knows: the newest quote of each direction, and until when it is proved.

use std::{collections::BTreeMap, time::Duration};

use common::{
    money::{DecimalText, Direction},
    time::Timestamp,
};

use super::event::{Beat, Event, Order, Told};
use crate::{quote::Quote, sources::SourceError};

/// The newest of everything, of one connection after the other.
///
/// What an earlier connection told stays, with the time when it was last proved, until the present one tells the direction
/// again: no heartbeat of the present one proves it.
pub(super) struct Book {
    names: BTreeMap<String, Direction>,
    /// See [`super::protocol::Limits::book_keeps`].
    keeps: Option<Duration>,
    entries: BTreeMap<Direction, Entry>,
    /// When something last proved that nothing of the whole connection was missed.
    alive_at: Option<Timestamp>,
    simulated: bool,
}

#[derive(Debug, Default)]
struct Entry {
    last: Option<DecimalText>,
    book: Option<(DecimalText, DecimalText)>,
    quote: Option<Result<Quote, SourceError>>,
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
pub(super) enum Taken {
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
    pub(super) fn kind(self) -> &'static str {
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
    pub(super) fn new(names: BTreeMap<String, Direction>, keeps: Option<Duration>) -> Self {
        Self { names, keeps, entries: BTreeMap::new(), alive_at: None, simulated: false }
    }

    /// A new connection begins: its messages are in an order of their own.
    pub(super) fn begin(&mut self, simulated: bool) {
        for entry in self.entries.values_mut() {
            // What proved the whole of the connection that is over proves it no further.
            entry.proved_at = entry.present.then_some(self.alive_at).flatten().max(entry.proved_at);
            (entry.present, entry.orders, entry.trade, entry.missed) = (false, [None; 2], None, None);
            (entry.last, entry.book) = (None, None);
        }
        (self.alive_at, self.simulated) = (None, simulated);
    }

    pub(super) fn take(&mut self, event: &Event, now: Timestamp) -> Taken {
        match event {
            Event::Told(told) => self.told(told, now),
            Event::Beat(Some(beat)) => self.beat(beat, now),
            Event::Beat(None) => self.alive(now),
            Event::Refused(_) | Event::Closed(_) | Event::GoingAway | Event::Nothing => Taken::Nothing,
        }
    }

    /// Something proves that the connection is whole, and with it everything that it told.
    pub(super) fn alive(&mut self, now: Timestamp) -> Taken {
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
        entry.quote = Some(Quote::traded(entry.last.as_ref(), bid, ask, now));
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

    /// The quotes that were proved not longer than `fresh` before `now`, each with the time when it was last proved, and
    /// whether any of them is simulated.
    pub(super) fn quotes(&self, now: Timestamp, fresh: Duration) -> (BTreeMap<Direction, Quote>, bool) {
        let mut simulated = false;
        let one = |(&direction, entry): (&Direction, &Entry)| {
            let quote = *entry.quote.as_ref()?.as_ref().ok()?;
            let observed_at = self.observed_at(entry)?;
            (now.since(observed_at) <= fresh).then(|| {
                simulated |= entry.simulated;
                (direction, Quote { observed_at, ..quote })
            })
        };
        let quotes = self.entries.iter().filter_map(one).collect();
        (quotes, simulated)
    }

    fn observed_at(&self, entry: &Entry) -> Option<Timestamp> {
        let told_at = entry.told_at?;
        let whole = if entry.present { self.alive_at } else { None };
        let proved = told_at.max(entry.proved_at.unwrap_or(told_at)).max(whole.unwrap_or(told_at));
        Some(self.keeps.map_or(proved, |keeps| proved.min(told_at.plus(keeps))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::from_secs(5);

    fn usd() -> Direction {
        "BTC-USD".parse().unwrap()
    }

    fn book(keeps: Option<Duration>) -> Book {
        let mut book = Book::new([("BTC-USD".to_owned(), usd())].into(), keeps);
        book.begin(true);
        book
    }

    fn at(seconds: u64) -> Timestamp {
        "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
    }

    fn told(last: &str, order: u64, trade: Option<u64>) -> Event {
        let side = DecimalText::from(last);
        let (symbol, book) = ("BTC-USD".to_owned(), Some((side.clone(), side.clone())));
        Event::Told(Told { symbol, last: Some(side), book, order: Some(Order::Number(order)), trade })
    }

    fn beat(order: u64, last_trade: u64) -> Event {
        Event::Beat(Some(Beat { symbol: "BTC-USD".to_owned(), order: Order::Number(order), last_trade }))
    }

    fn seen(book: &Book, now: Timestamp) -> Option<(String, Timestamp)> {
        let (quotes, _) = book.quotes(now, FRESH);
        quotes.get(&usd()).map(|quote| (quote.course().to_string(), quote.observed_at))
    }

    #[test]
    fn heartbeats_prove_what_was_told_and_silence_does_not() {
        let mut book = book(None);
        assert_eq!(book.take(&told("84000", 1, None), at(0)), Taken::News);
        assert_eq!(book.take(&Event::Beat(None), at(8)), Taken::Alive);
        assert_eq!(seen(&book, at(9)), Some(("84000.00".to_owned(), at(8))));
        assert_eq!(seen(&book, at(13)).unwrap().1, at(8));
        assert_eq!(seen(&book, at(14)), None);
        assert!(book.quotes(at(9), FRESH).1);
    }

    #[test]
    fn what_is_old_or_twice_there_changes_nothing_and_proves_nothing() {
        let mut book = book(None);
        book.take(&told("84000", 5, None), at(0));
        for order in [5, 4] {
            assert_eq!(book.take(&told("1", order, None), at(3)), Taken::Old);
        }
        assert_eq!(seen(&book, at(3)), Some(("84000.00".to_owned(), at(0))));
        // A gap is no loss where not every number is sent.
        assert_eq!(book.take(&told("84001", 50, None), at(4)), Taken::News);
    }

    #[test]
    fn a_new_connection_counts_anew_and_proves_only_what_it_told() {
        let mut book = book(None);
        book.take(&told("84000", 50, None), at(0));
        book.take(&Event::Beat(None), at(2));
        book.begin(true);
        book.take(&Event::Beat(None), at(4));
        assert_eq!(seen(&book, at(4)), Some(("84000.00".to_owned(), at(2))));
        assert_eq!(book.take(&told("84002", 1, None), at(5)), Taken::News);
        assert_eq!(seen(&book, at(5)), Some(("84002.00".to_owned(), at(5))));
    }

    #[test]
    fn a_trade_that_was_never_told_is_noticed_at_the_second_heartbeat() {
        let mut book = book(Some(Duration::from_secs(30)));
        assert_eq!(book.take(&beat(1, 7), at(0)), Taken::Nothing);
        book.take(&told("84000", 2, Some(7)), at(1));
        assert_eq!(book.take(&beat(3, 7), at(2)), Taken::Alive);
        // Its ticker was only behind.
        assert_eq!(book.take(&beat(4, 8), at(3)), Taken::Nothing);
        assert_eq!(seen(&book, at(3)).unwrap().1, at(2));
        assert_eq!(book.take(&told("84001", 5, Some(8)), at(4)), Taken::News);
        assert_eq!(book.take(&beat(6, 9), at(5)), Taken::Nothing);
        assert_eq!(book.take(&beat(7, 9), at(6)), Taken::Missed);
    }

    #[test]
    fn a_book_that_is_told_with_trades_alone_grows_old_under_its_heartbeats() {
        let mut book = book(Some(Duration::from_secs(30)));
        book.take(&told("84000", 1, Some(7)), at(0));
        for second in 1..=36 {
            assert_eq!(book.take(&beat(1 + second, 7), at(second)), Taken::Alive);
        }
        assert_eq!(seen(&book, at(35)).unwrap().1, at(30));
        assert_eq!(seen(&book, at(36)), None);
    }

    #[test]
    fn a_book_that_makes_no_sense_is_no_quote() {
        let mut book = book(None);
        book.take(&told("84000", 1, None), at(0));
        let crossed = Told {
            symbol: "BTC-USD".to_owned(),
            last: None,
            book: Some(("84001".into(), "84000".into())),
            order: None,
            trade: None,
        };
        assert_eq!(book.take(&Event::Told(crossed), at(1)), Taken::News);
        assert_eq!(seen(&book, at(1)), None);
        assert_eq!(book.take(&told("84000", 2, None), at(2)), Taken::News);
        assert!(seen(&book, at(2)).is_some());
    }

    #[test]
    fn pairs_that_nobody_asked_for_are_passed_over() {
        let mut book = book(None);
        let other = Told { symbol: "BTC-XYZ".to_owned(), last: None, book: None, order: None, trade: None };
        assert_eq!(book.take(&Event::Told(other), at(0)), Taken::Nothing);
    }
}
