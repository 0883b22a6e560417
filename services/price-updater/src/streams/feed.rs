//! One feed: connects, subscribes, listens, and connects again, for as long as somebody asks for its prices.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{
    metrics::Metrics,
    money::{CurrencyPair, Rate},
    time::{Clock, Timestamp},
};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    PROTOCOLS,
    book::{Book, Taken},
    end::End,
    event::Event,
    metrics::StreamMetrics,
    pace::Pace,
    protocol::{Probe, Protocol},
    wire::{CONNECT_TIMEOUT, Connection, Connector, Heard, Said, WireError},
};
use crate::sources::{RateLimiter, RateLimits, Ticker};

/// How long after it was last proved a ticker is an answer. A poll is as old when the next one is due.
const FRESH: Duration = Duration::from_secs(5);
/// How long heartbeats alone prove anything: that not one pair moves for so long is less likely than a feed that is stuck.
pub(super) const QUIET: Duration = Duration::from_secs(20);
/// How long a feed is kept that nobody asks, such as one of an instance that only stands by.
pub(super) const UNASKED: Duration = Duration::from_secs(30);
/// How long something that is said may take to be sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// What holds for a feed of a source that is not polled, where it is refused.
const REFUSED: RateLimits =
    RateLimits { max_requests: 1, window: Duration::from_secs(1), default_backoff: Duration::from_secs(60) };
/// After how long a connection counts as good, so that the next failure is a first one.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// The prices that one exchange pushes.
pub struct PriceStream {
    protocol: &'static Protocol,
    url: Url,
    symbols: Vec<String>,
    connector: Arc<dyn Connector>,
    clock: Clock,
    metrics: StreamMetrics,
    /// What holds back the requests of the same exchange.
    polled: Option<RateLimiter>,
    state: Mutex<State>,
    /// When it was last asked.
    asked: watch::Sender<Option<Instant>>,
}

struct State {
    book: Book,
    connected_since: Option<Timestamp>,
    messages: u64,
    connects: u64,
    last_end: Option<String>,
}

/// Where a feed stands, for those who look into the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceStreamState {
    /// Nothing while there is no connection.
    pub connected_since: Option<Timestamp>,
    /// What was heard since the start, on all connections.
    pub messages: u64,
    /// Connections that were tried since the start.
    pub connects: u64,
    /// Why the last one ended, or was not made.
    pub last_end: Option<String>,
}

impl PriceStream {
    /// The feed of the exchange of this name, if it has one, with measurements that nobody reads: for tests.
    pub fn of(
        exchange: &str,
        base: &Url,
        directions: &[CurrencyPair],
        connector: Arc<dyn Connector>,
        clock: Clock,
    ) -> Option<Self> {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == exchange)?;
        let metrics = StreamMetrics::register(&Metrics::new("feed"));
        Some(Self::new(protocol, base, directions, connector, clock, metrics, None))
    }

    /// A feed of `directions` at `base`. It does nothing until [`PriceStream::run`] runs and somebody asks.
    pub(crate) fn new(
        protocol: &'static Protocol,
        base: &Url,
        directions: &[CurrencyPair],
        connector: Arc<dyn Connector>,
        clock: Clock,
        metrics: StreamMetrics,
        polled: Option<RateLimiter>,
    ) -> Self {
        let names: BTreeMap<String, CurrencyPair> =
            directions.iter().map(|&direction| ((protocol.symbol)(direction), direction)).collect();
        let symbols: Vec<String> = names.keys().cloned().collect();
        let book = Book::new(names, protocol.limits.book_keeps);
        Self {
            protocol,
            url: protocol.url(base, &symbols),
            symbols,
            connector,
            clock,
            metrics,
            polled,
            state: Mutex::new(State { book, connected_since: None, messages: 0, connects: 0, last_end: None }),
            asked: watch::Sender::new(None),
        }
    }

    /// What it knows now, each with the time when it was last proved, and whether any of it is simulated. Who asks keeps
    /// the feed alive.
    pub(crate) fn tickers(&self, now: Timestamp) -> (BTreeMap<CurrencyPair, Ticker>, bool) {
        self.asked.send_replace(Some(Instant::now()));
        self.lock().book.tickers(now, FRESH)
    }

    /// What it knows now: each course, and when it was last proved.
    pub fn courses(&self) -> BTreeMap<CurrencyPair, (Rate, Timestamp)> {
        let (tickers, _) = self.tickers(self.clock.now());
        tickers.into_iter().map(|(direction, ticker)| (direction, (ticker.course(), ticker.observed_at))).collect()
    }

    pub fn state(&self) -> PriceStreamState {
        let State { connected_since, messages, connects, ref last_end, .. } = *self.lock();
        PriceStreamState { connected_since, messages, connects, last_end: last_end.clone() }
    }

    /// Keeps a connection while somebody asks, until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        tokio::select! { biased; () = stop.cancelled() => {}, () = self.keep() => {} }
        self.disconnected();
    }

    async fn keep(&self) {
        let own = self.polled.as_ref().map_or_else(|| RateLimiter::new(REFUSED), RateLimiter::with_same_limits);
        let (mut pace, mut asked, mut told) = (Pace::new(), self.asked.subscribe(), false);
        // Once after each good connection: one that announces its end again and again is waited for like any other.
        let mut at_once = true;
        // Ends with the sender alone, which is in `self`.
        while asked.wait_for(|at| at.is_some_and(|at| at.elapsed() < UNASKED)).await.is_ok() {
            self.held_back(&mut pace, &own).await;
            let begun = Instant::now();
            pace.begin(begun);
            let end = self.connect_and_listen().await;
            self.disconnected();
            self.heed(&end, &own);
            if begun.elapsed() >= GOOD_AFTER {
                pace.worked();
                own.record_success();
                (told, at_once) = (false, true);
            }
            if !(end.is_expected() && std::mem::take(&mut at_once)) {
                pace.failed(Instant::now());
            }
            self.tell(&end, &mut told);
        }
    }

    /// Waits until a connection may be made, also where the exchange asks meanwhile to be left alone.
    async fn held_back(&self, pace: &mut Pace, own: &RateLimiter) {
        loop {
            let now = Instant::now();
            let paused = [Some(own), self.polled.as_ref()].into_iter().flatten().filter_map(RateLimiter::backoff_until);
            let next = paused.fold(pace.next(now), Instant::max);
            if next <= now {
                return;
            }
            sleep_until(next).await;
        }
    }

    /// Leaves the exchange alone if that is how it refused the connection. What it says of how long holds for requests too.
    /// Where it says nothing, it is no more than a guess, and of websockets only: some refuse those alone, and are to be
    /// polled on.
    fn heed(&self, end: &End, own: &RateLimiter) {
        let End::NotMade(WireError::Status { status, retry_after }) = *end else { return };
        if retry_after.is_none() && !matches!(status, 403 | 418 | 429) {
            return;
        }
        let pause = own.back_off(retry_after);
        if let Some(polled) = self.polled.as_ref().filter(|_| retry_after.is_some()) {
            polled.back_off(retry_after);
        }
        tracing::debug!(source = self.protocol.name, status, ?pause, "the websocket of a source is left alone");
    }

    fn disconnected(&self) {
        self.lock().connected_since = None;
        self.metrics.connected(self.protocol.name, false);
    }

    /// Each failure is counted; the first in a row is a warning.
    fn tell(&self, end: &End, told: &mut bool) {
        let source = self.protocol.name;
        self.metrics.ended(source, end.kind());
        self.lock().last_end = Some(end.to_string());
        if end.is_expected() {
            tracing::info!(source, %end, "the websocket of a source is left");
        } else if std::mem::replace(told, true) {
            tracing::debug!(source, %end, "the websocket of a source failed again");
        } else {
            tracing::warn!(source, %end, "the websocket of a source failed: it is polled until there is another");
        }
    }

    async fn connect_and_listen(&self) -> End {
        let source = self.protocol.name;
        self.metrics.connecting(source);
        self.lock().connects += 1;
        let connecting = timeout(CONNECT_TIMEOUT, self.connector.connect(&self.url)).await;
        let mut connection = match connecting.unwrap_or(Err(WireError::Timeout)) {
            Ok(connection) => connection,
            Err(error) => return End::NotMade(error),
        };
        {
            let mut state = self.lock();
            state.book.begin(connection.simulated);
            state.connected_since = Some(self.clock.now());
        }
        self.metrics.connected(source, true);
        tracing::info!(source, simulated = connection.simulated, "the websocket of a source is connected");
        for text in (self.protocol.subscribe)(&self.symbols) {
            if let Err(error) = say(&mut connection, Said::Text(text)).await {
                return End::Broken(error);
            }
        }
        self.listen(&mut connection).await
    }

    async fn listen(&self, connection: &mut Connection) -> End {
        let limits = self.protocol.limits;
        let begun = Instant::now();
        let (mut heard_at, mut news_at, mut asked) = (begun, begun, false);
        loop {
            let now = Instant::now();
            let unasked_at = self.asked.borrow().map_or(now, |asked| asked + UNASKED);
            let ends =
                [(heard_at + limits.silence, End::Silent), (news_at + QUIET, End::Quiet), (unasked_at, End::Unasked)];
            let old = limits.max_life.map(|life| (begun + life, End::Old));
            let next = ends.into_iter().chain(old).min_by_key(|(at, _)| *at);
            let Some((end_at, end)) = next else { return End::Silent };
            if now >= end_at {
                return end;
            }
            let probe = limits.probe.filter(|_| !asked).map(|(after, probe)| (heard_at + after, probe));
            let wake_at = probe.map_or(end_at, |(at, _)| end_at.min(at));
            tokio::select! {
                heard = connection.heard.next() => {
                    (heard_at, asked) = (Instant::now(), false);
                    let heard = match heard {
                        Some(Ok(heard)) => heard,
                        Some(Err(error)) => return End::Broken(error),
                        None => return End::Cut,
                    };
                    match self.hear(heard) {
                        Ok(true) => news_at = heard_at,
                        Ok(false) => {}
                        Err(end) => return end,
                    }
                }
                () = sleep_until(wake_at) => {
                    if let Some((_, probe)) = probe.filter(|(at, _)| *at <= Instant::now()) {
                        asked = true;
                        let said = match probe {
                            Probe::Ping => Said::Ping,
                            Probe::Text(text) => Said::Text(text.to_owned()),
                        };
                        if let Err(error) = say(connection, said).await {
                            return End::Broken(error);
                        }
                    }
                }
            }
        }
    }

    /// Takes what was heard; says whether there were prices in it.
    fn hear(&self, heard: Heard) -> Result<bool, End> {
        let (source, now) = (self.protocol.name, self.clock.now());
        let mut state = self.lock();
        state.messages += 1;
        let text = match heard {
            Heard::Text(text) => text,
            Heard::Ping | Heard::Pong => {
                // A frame is of the whole connection, and where pairs have heartbeats of their own it proves none of them.
                if self.protocol.limits.book_keeps.is_none() {
                    state.book.alive(now);
                }
                self.metrics.message(source, "alive");
                return Ok(false);
            }
            Heard::Other => {
                self.metrics.message(source, "nothing");
                return Ok(false);
            }
        };
        let events = (self.protocol.read)(&text).map_err(|error| {
            self.metrics.message(source, "garbled");
            End::InvalidResponse(error)
        })?;
        let mut news = false;
        for event in events {
            match &event {
                Event::GoingAway => return Err(End::GoingAway),
                Event::Closed(why) => return Err(End::closed(why)),
                Event::Refused(why) => {
                    self.metrics.message(source, "refused");
                    let why = crate::sources::SourceError::refused(why);
                    tracing::debug!(source, %why, "a source refused something over its websocket");
                    continue;
                }
                _ => {}
            }
            let taken = state.book.take(&event, now);
            self.metrics.message(source, taken.kind());
            match taken {
                Taken::News => news = true,
                Taken::Missed => return Err(End::Missed),
                Taken::Alive | Taken::Old | Taken::Nothing => {}
            }
        }
        Ok(news)
    }

    /// Every field stands on its own, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn say(connection: &mut Connection, said: Said) -> Result<(), WireError> {
    timeout(SEND_TIMEOUT, connection.said.send(said)).await.unwrap_or(Err(WireError::Timeout))
}
