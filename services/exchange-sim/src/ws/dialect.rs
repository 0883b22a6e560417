//! The common parts of the WebSocket endpoints of all exchanges, and the trait for their differences.

use std::{collections::BTreeMap, time::Duration};

use common::{money::CurrencyPair, time::Timestamp};
use serde::Serialize;

use crate::{
    exchange_view::{ExchangeView, Ticker},
    formats::Price,
};

/// How often an unchanged price is sent again.
const RESEND_INTERVAL: Duration = Duration::from_secs(1);

/// The WebSocket of one exchange.
pub(super) struct WsEndpoint {
    pub(super) exchange: &'static str,
    /// The full path. It begins with the name of the exchange.
    pub(super) path: &'static str,
    /// The status of the response that refuses the handshake of a banned client.
    pub(super) ban_status: u16,
    /// Creates the dialect of a new connection. The meaning of the query depends on the exchange.
    pub(super) new_dialect: fn(query: Option<&str>) -> Box<dyn WsDialect>,
}

/// The messages of one exchange on one connection. Methods return texts in the order in which they are sent.
pub(super) trait WsDialect: Send {
    fn rules(&self) -> ConnectionRules;

    /// The messages that the exchange sends as soon as the connection is open.
    fn greeting(&mut self, _view: &ExchangeView<'_>) -> Vec<String> {
        Vec::new()
    }

    /// The answers to a message of the client.
    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String>;

    fn is_subscribed(&self) -> bool;

    /// The price messages that are due. Usually a price is due if it has changed, or if it was last sent
    /// [`RESEND_INTERVAL`] ago.
    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String>;

    /// The heartbeats that are due. Called once a second. `idle` is set if the exchange has sent nothing since the
    /// previous call.
    fn heartbeats(&mut self, _view: &ExchangeView<'_>, _idle: bool) -> Vec<String> {
        Vec::new()
    }

    /// The announcement of a restart. `None` if the exchange does not announce restarts.
    fn restart_notice(&self, _view: &ExchangeView<'_>) -> Option<String> {
        None
    }
}

/// An exchange's rules for connections. They are not applied during the fault `silent`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionRules {
    /// A client without a subscription is disconnected when its connection has this age.
    pub(super) subscribe_within: Option<Duration>,
    pub(super) pings: Option<PingRule>,
    /// A connection without a message from either side for this time is closed.
    pub(super) max_idle: Option<Duration>,
    /// A connection of this age is closed.
    pub(super) max_age: Option<Duration>,
    /// Maximum number of messages of a client within one second. A client that sends more messages is disconnected.
    pub(super) max_messages_per_sec: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PingRule {
    pub(super) interval: Duration,
    /// A client that does not answer a ping within this time is disconnected.
    pub(super) pong_timeout: Duration,
}

/// The last tickers that were sent to a client.
#[derive(Debug, Default)]
pub(super) struct LastSent(BTreeMap<CurrencyPair, SentTicker>);

#[derive(Debug)]
struct SentTicker {
    ticker: Ticker,
    time: Timestamp,
}

/// Which prices of a ticker cause an update when they change.
#[derive(Debug, Clone, Copy)]
pub(super) enum UpdateTrigger {
    LastTradeOrBook,
    Book,
    LastTrade,
}

impl LastSent {
    /// Whether `ticker` must be sent now, because it has changed or was last sent [`RESEND_INTERVAL`] ago. If so, it is
    /// recorded as sent.
    pub(super) fn should_send(
        &mut self,
        pair: CurrencyPair,
        ticker: Ticker,
        now: Timestamp,
        trigger: UpdateTrigger,
    ) -> bool {
        let unchanged = self.0.get(&pair).is_some_and(|sent| {
            trigger.prices(&sent.ticker) == trigger.prices(&ticker) && now.since(sent.time) < RESEND_INTERVAL
        });
        if !unchanged {
            self.0.insert(pair, SentTicker { ticker, time: now });
        }
        !unchanged
    }

    /// Removes the pair, so that its next ticker is sent even if it has not changed.
    pub(super) fn remove(&mut self, pair: CurrencyPair) {
        self.0.remove(&pair);
    }
}

impl UpdateTrigger {
    fn prices(self, ticker: &Ticker) -> [Option<Price>; 3] {
        let Ticker { last, bid, ask, .. } = *ticker;
        match self {
            Self::LastTradeOrBook => [Some(last), Some(bid), Some(ask)],
            Self::Book => [None, Some(bid), Some(ask)],
            Self::LastTrade => [Some(last), None, None],
        }
    }
}

pub(super) fn to_json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_else(|error| {
        tracing::error!(%error, "websocket message cannot be serialized as JSON");
        String::new()
    })
}
