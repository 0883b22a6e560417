//! What an exchange's websocket is made of.

use std::{collections::BTreeMap, time::Duration};

use common::{money::CurrencyPair, time::Timestamp};
use serde::Serialize;

use crate::{
    formats::Price,
    market::exchange_view::{ExchangeView, Ticker},
};

/// How often prices that have not changed are told all the same.
const AGAIN: Duration = Duration::from_secs(1);

/// One exchange's manner of speaking, to one client. What it says are texts, in the order in which they are sent.
pub(super) trait WsDialect: Send {
    fn connection_rules(&self) -> ConnectionRules;

    /// What it says before it is spoken to.
    fn greeting(&mut self, _view: &ExchangeView<'_>) -> Vec<String> {
        Vec::new()
    }

    /// What it answers.
    fn handle_message(&mut self, text: &str, view: &ExchangeView<'_>) -> Vec<String>;

    /// Whether the client has asked for anything.
    fn is_subscribed(&self) -> bool;

    /// What prices it tells now: those that have changed.
    fn price_updates(&mut self, view: &ExchangeView<'_>) -> Vec<String>;

    /// What it says each second to show that it is there; `quiet` where it said nothing else since.
    fn heartbeats(&mut self, _view: &ExchangeView<'_>, _quiet: bool) -> Vec<String> {
        Vec::new()
    }

    /// How it announces a restart, if it does.
    fn restart_notice(&self, _view: &ExchangeView<'_>) -> Option<String> {
        None
    }
}

/// What an exchange permits and does on a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionRules {
    /// A client that has not subscribed by then is sent away.
    pub(super) subscribe_within: Option<Duration>,
    /// From one ping to the next, and how long a pong may take.
    pub(super) pings: Option<(Duration, Duration)>,
    /// A connection on which neither side said anything for so long is closed.
    pub(super) idle: Option<Duration>,
    /// How old a connection may become.
    pub(super) max_life: Option<Duration>,
    /// Most messages of a client in a second; one that says more is sent away.
    pub(super) max_messages: Option<u32>,
}

/// What a client was told last of each direction.
#[derive(Debug, Default)]
pub(super) struct LastSent(BTreeMap<CurrencyPair, (Ticker, Timestamp)>);

impl LastSent {
    /// Whether `told` is news now, by what `parts` of it count, or is due to be told again.
    pub(super) fn should_send(
        &mut self,
        of: CurrencyPair,
        told: Ticker,
        now: Timestamp,
        parts: fn(&Ticker) -> [Price; 3],
    ) -> bool {
        let known = self.0.get(&of);
        let same = known.is_some_and(|(before, at)| parts(before) == parts(&told) && now.since(*at) < AGAIN);
        if !same {
            self.0.insert(of, (told, now));
        }
        !same
    }

    pub(super) fn forget(&mut self, of: CurrencyPair) {
        self.0.remove(&of);
    }
}

/// Last trade and book.
pub(super) fn all(told: &Ticker) -> [Price; 3] {
    [told.last, told.bid, told.ask]
}

/// The book alone.
pub(super) fn book(told: &Ticker) -> [Price; 3] {
    [told.bid, told.bid, told.ask]
}

/// The last trade alone.
pub(super) fn last(told: &Ticker) -> [Price; 3] {
    [told.last; 3]
}

pub(super) fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_else(|error| {
        tracing::error!(%error, "a message cannot be written as JSON");
        String::new()
    })
}
