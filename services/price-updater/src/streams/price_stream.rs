//! The price stream of one exchange: a WebSocket connection over which the exchange pushes tickers. The stream
//! reconnects for as long as its prices are requested.
//!
//! A message *confirms* a ticker if it contains the ticker, or shows that the ticker has not changed. A *course* is the
//! last price of one pair at one exchange.

mod session;

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
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    PROTOCOLS,
    connection::{ConnectionError, Connector},
    disconnect_reason::DisconnectReason,
    metrics::StreamMetrics,
    protocol::Protocol,
    reconnect_limiter::ReconnectLimiter,
    ticker_cache::TickerCache,
};
use crate::sources::{PollReply, RateLimiter, RateLimits};

/// How long a ticker is reported after its last confirmation. The default poll interval has the same length, so a
/// ticker of the stream does not become older than the ticker of a poll.
const MAX_TICKER_AGE: Duration = Duration::from_secs(5);
/// How long a connection is kept without a request for its prices, for example after the instance lost its lease.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The limits of connections if the stream has no `request_limiter`. Only the default backoff has an effect, because
/// the number of connection attempts is limited by [`ReconnectLimiter`].
const DEFAULT_LIMITS: RateLimits =
    RateLimits { max_requests: 1, window: Duration::from_secs(1), default_backoff: Duration::from_secs(60) };
/// Age at which a connection counts as successful, so that the next backoff is short.
const SUCCESS_AFTER: Duration = Duration::from_secs(30);

/// The price stream of one exchange.
pub struct PriceStream {
    protocol: &'static Protocol,
    url: Url,
    symbols: Vec<String>,
    context: StreamContext,
    /// The rate limiter of HTTP requests to the same exchange, if there is one.
    request_limiter: Option<RateLimiter>,
    state: Mutex<State>,
    /// When tickers were last requested.
    requested_at: watch::Sender<Option<Instant>>,
}

/// The dependencies that all streams of the service share.
#[derive(Debug, Clone)]
pub(crate) struct StreamContext {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) clock: Clock,
    pub(crate) metrics: StreamMetrics,
}

struct State {
    cache: TickerCache,
    connected_since: Option<Timestamp>,
    messages: u64,
    connects: u64,
    last_disconnect_reason: Option<String>,
}

/// The state of a stream, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceStreamState {
    /// `None` while there is no connection.
    pub connected_since: Option<Timestamp>,
    /// Number of messages received on all connections.
    pub messages: u64,
    /// Number of connection attempts.
    pub connects: u64,
    /// Why the last connection ended or was not established.
    pub last_disconnect_reason: Option<String>,
}

impl PriceStream {
    /// The stream of an exchange, without a polled source and without exported metrics. `None` if the exchange has no
    /// stream. Used in integration tests.
    pub fn standalone(
        exchange: &str,
        base_url: &Url,
        pairs: &[CurrencyPair],
        connector: Arc<dyn Connector>,
        clock: Clock,
    ) -> Option<Self> {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == exchange)?;
        let metrics = StreamMetrics::register(&Metrics::new("feed"));
        Some(Self::new(protocol, base_url, pairs, StreamContext { connector, clock, metrics }, None))
    }

    /// A stream that does nothing until [`PriceStream::run`] runs and tickers are requested.
    pub(crate) fn new(
        protocol: &'static Protocol,
        base_url: &Url,
        pairs: &[CurrencyPair],
        context: StreamContext,
        request_limiter: Option<RateLimiter>,
    ) -> Self {
        let pairs: BTreeMap<String, CurrencyPair> = pairs.iter().map(|&pair| ((protocol.symbol)(pair), pair)).collect();
        let symbols: Vec<String> = pairs.keys().cloned().collect();
        let cache = TickerCache::new(pairs, protocol.timeouts.book_validity);
        Self {
            protocol,
            url: protocol.url(base_url, &symbols),
            symbols,
            context,
            request_limiter,
            state: Mutex::new(State {
                cache,
                connected_since: None,
                messages: 0,
                connects: 0,
                last_disconnect_reason: None,
            }),
            requested_at: watch::Sender::new(None),
        }
    }

    /// Returns the recently confirmed tickers, and keeps the connection from becoming idle.
    pub(crate) fn tickers(&self, now: Timestamp) -> PollReply {
        self.requested_at.send_replace(Some(Instant::now()));
        self.lock().cache.tickers(now, MAX_TICKER_AGE)
    }

    /// Returns the recently confirmed courses with the time of confirmation, and keeps the connection from becoming
    /// idle.
    pub fn courses(&self) -> BTreeMap<CurrencyPair, (Rate, Timestamp)> {
        let tickers = self.tickers(self.context.clock.now()).tickers;
        tickers.into_iter().map(|(pair, ticker)| (pair, (ticker.course(), ticker.observed_at))).collect()
    }

    pub fn state(&self) -> PriceStreamState {
        let State { connected_since, messages, connects, ref last_disconnect_reason, .. } = *self.lock();
        PriceStreamState { connected_since, messages, connects, last_disconnect_reason: last_disconnect_reason.clone() }
    }

    /// Stays connected while tickers are requested, until `stop` is cancelled.
    pub async fn run(&self, stop: &CancellationToken) {
        tokio::select! { biased; () = stop.cancelled() => {}, () = self.reconnect_while_requested() => {} }
        self.record_disconnected();
    }

    async fn reconnect_while_requested(&self) {
        let connection_limiter = self
            .request_limiter
            .as_ref()
            .map_or_else(|| RateLimiter::new(DEFAULT_LIMITS), RateLimiter::with_same_limits);
        let mut reconnect_limiter = ReconnectLimiter::new();
        let mut requested_at = self.requested_at.subscribe();
        let mut failure_reported = false;
        // One immediate reconnect is permitted after each successful connection. If an exchange announces shutdowns
        // repeatedly, the later reconnects must wait.
        let mut immediate_reconnect = true;
        let is_recent = |at: &Option<Instant>| at.is_some_and(|at| at.elapsed() < IDLE_TIMEOUT);
        // `self` owns the sender, so the wait ends only when tickers are requested.
        while requested_at.wait_for(is_recent).await.is_ok() {
            self.wait_until_permitted(&mut reconnect_limiter, &connection_limiter).await;
            let started_at = Instant::now();
            reconnect_limiter.record_attempt(started_at);
            let reason = self.connect_and_listen().await;
            self.record_disconnected();
            self.apply_backoff(&reason, &connection_limiter);
            if started_at.elapsed() >= SUCCESS_AFTER {
                reconnect_limiter.reset_backoff();
                connection_limiter.record_success();
                (failure_reported, immediate_reconnect) = (false, true);
            }
            if !(reason.is_expected() && std::mem::take(&mut immediate_reconnect)) {
                reconnect_limiter.record_failure(Instant::now());
            }
            self.report(&reason, &mut failure_reported);
        }
    }

    /// Waits until all limiters permit a connection. A backoff can be extended during the wait.
    async fn wait_until_permitted(&self, reconnect_limiter: &mut ReconnectLimiter, connection_limiter: &RateLimiter) {
        loop {
            let now = Instant::now();
            let limiters = [Some(connection_limiter), self.request_limiter.as_ref()].into_iter().flatten();
            let backoffs = limiters.filter_map(RateLimiter::backoff_until);
            let permitted_at = backoffs.fold(reconnect_limiter.next_attempt(now), Instant::max);
            if permitted_at <= now {
                return;
            }
            sleep_until(permitted_at).await;
        }
    }

    /// Backs off if the exchange rejected the connection with `Retry-After`, or with a status that some exchanges use
    /// for rate limits and bans.
    ///
    /// If the exchange specifies the wait, the backoff applies to HTTP requests too. The default backoff applies to
    /// connections only, because some exchanges reject WebSocket connections and still answer HTTP requests.
    fn apply_backoff(&self, reason: &DisconnectReason, connection_limiter: &RateLimiter) {
        let DisconnectReason::ConnectFailed(ConnectionError::Status { status, retry_after }) = *reason else { return };
        if retry_after.is_none() && !matches!(status, 403 | 418 | 429) {
            return;
        }
        let wait = connection_limiter.back_off(retry_after);
        if let Some(request_limiter) = self.request_limiter.as_ref().filter(|_| retry_after.is_some()) {
            request_limiter.back_off(retry_after);
        }
        tracing::debug!(source = self.protocol.name, status, ?wait, "a price stream backs off from connecting");
    }

    fn record_disconnected(&self) {
        self.lock().connected_since = None;
        self.context.metrics.set_connected(self.protocol.name, false);
    }

    /// Counts and logs the end of a connection. If several connections fail in a row, failures after the first are
    /// logged at level debug. The first failure is logged as information if the exchange is unreachable, and as a
    /// warning in other cases.
    fn report(&self, reason: &DisconnectReason, failure_reported: &mut bool) {
        let source = self.protocol.name;
        self.context.metrics.record_disconnect(source, reason.kind());
        self.lock().last_disconnect_reason = Some(reason.to_string());
        if reason.is_expected() {
            tracing::info!(source, %reason, "a price stream is disconnected");
        } else if std::mem::replace(failure_reported, true) {
            tracing::debug!(source, %reason, "a price stream failed again");
        } else if matches!(
            reason,
            DisconnectReason::ConnectFailed(ConnectionError::Unreachable(_) | ConnectionError::Timeout)
        ) {
            // If the polls of the source fail too, `SourcePool` logs that failure.
            tracing::info!(source, %reason, "a price stream cannot connect; the source is polled until the stream connects");
        } else {
            tracing::warn!(source, %reason, "a price stream failed; the source is polled until the stream reconnects");
        }
    }

    /// Locks the state. A poisoned lock is accepted, because the fields do not depend on each other.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
