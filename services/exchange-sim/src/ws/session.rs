//! One connection of one client: when the dialect's messages are sent, and how the active fault changes them.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{
    dialect::WsDialect,
    messages::{FromClient, FromExchange},
};
use crate::{
    exchange_view::ExchangeView,
    faults::{Fault, FaultKind},
    simulation::Simulation,
};

/// Time between two checks for changed prices.
const STEP: Duration = Duration::from_millis(250);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Time from the announcement of a restart to the end of the connection.
const RESTART_NOTICE_LEAD: Duration = Duration::from_secs(10);
const ONE_SECOND: Duration = Duration::from_secs(1);

/// The close code of RFC 6455 for an endpoint that is going away, such as a server that restarts.
const GOING_AWAY: u16 = 1001;
/// The close code of RFC 6455 for a client that violates a rule.
const POLICY_VIOLATION: u16 = 1008;

struct Session {
    dialect: Box<dyn WsDialect>,
    exchange: &'static str,
    simulation: Simulation,
    to_client: mpsc::Sender<FromExchange>,
    opened_at: Instant,
    /// When either side last sent a message, or when the fault `silent` was last active, whichever is later. A ping of
    /// the exchange does not count.
    last_message_at: Instant,
    last_heartbeat_at: Instant,
    last_ping_at: Instant,
    unanswered_ping_at: Option<Instant>,
    restart_announced_at: Option<Instant>,
    /// Whether the exchange has sent nothing since the heartbeats were last due.
    idle: bool,
    last_price_message: Option<String>,
    received: ReceivedMessages,
}

/// The client's messages within one second.
struct ReceivedMessages {
    since: Instant,
    count: u32,
}

/// How a session ends.
enum SessionEnd {
    /// The connection ends without a close frame.
    Cut,
    /// The connection ends with a close frame of this code.
    Closed(u16),
}

/// Whether messages contain prices. Some faults affect only such messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Prices,
    Other,
}

/// Runs a session until either side ends it.
pub(super) async fn run(
    dialect: Box<dyn WsDialect>,
    exchange: &'static str,
    simulation: Simulation,
    mut from_client: mpsc::Receiver<FromClient>,
    to_client: mpsc::Sender<FromExchange>,
) {
    let now = Instant::now();
    let mut session = Session {
        dialect,
        exchange,
        simulation,
        to_client: to_client.clone(),
        opened_at: now,
        last_message_at: now,
        last_heartbeat_at: now,
        last_ping_at: now,
        unanswered_ping_at: None,
        restart_announced_at: None,
        idle: true,
        last_price_message: None,
        received: ReceivedMessages { since: now, count: 0 },
    };
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut result = session.send_texts(Content::Other, |dialect, view| dialect.greeting(view));
    while result.is_ok() {
        result = tokio::select! {
            biased;
            message = from_client.recv() => match message {
                Some(FromClient::Close) | None => Err(SessionEnd::Cut),
                Some(message) => session.receive(&message),
            },
            _ = steps.tick() => session.on_step(),
        };
    }
    if let Err(SessionEnd::Closed(code)) = result {
        // This fails if the client has already disconnected or its queue is full.
        let _ = to_client.try_send(FromExchange::Close(code));
    }
}

impl Session {
    fn fault(&self) -> Option<Fault> {
        self.simulation.faults.active(self.exchange, self.simulation.clock.now())
    }

    /// Sends the dialect's texts, changed by the active fault.
    fn send_texts(
        &mut self,
        content: Content,
        texts: impl FnOnce(&mut dyn WsDialect, &ExchangeView<'_>) -> Vec<String>,
    ) -> Result<(), SessionEnd> {
        let (fault, now) = (self.fault(), self.simulation.clock.now());
        let view = ExchangeView::new(&self.simulation.market, self.exchange, now, fault.as_ref());
        let texts = texts(self.dialect.as_mut(), &view);
        let kind = fault.map(|fault| fault.kind);
        match content {
            Content::Prices => self.send_prices(texts, kind),
            Content::Other if kind == Some(FaultKind::Silent) => Ok(()),
            Content::Other => self.send_all(texts),
        }
    }

    fn send_prices(&mut self, texts: Vec<String>, kind: Option<FaultKind>) -> Result<(), SessionEnd> {
        match kind {
            Some(FaultKind::Silent | FaultKind::HeartbeatOnly) => Ok(()),
            Some(FaultKind::Empty) => self.send_all(texts.iter().map(|_| String::new())),
            Some(FaultKind::Truncated) => self.send_all(texts.iter().map(|text| first_half(text))),
            Some(FaultKind::OutOfOrder) => texts.into_iter().try_for_each(|text| {
                let older = self.last_price_message.replace(text.clone());
                self.send_all([Some(text.clone()), older, Some(text)].into_iter().flatten())
            }),
            _ => {
                if let Some(text) = texts.last() {
                    self.last_price_message = Some(text.clone());
                }
                self.send_all(texts)
            }
        }
    }

    fn send_all(&mut self, texts: impl IntoIterator<Item = String>) -> Result<(), SessionEnd> {
        texts.into_iter().try_for_each(|text| self.send(FromExchange::Text(text)))
    }

    /// Fails if the client's queue is full: a client that reads too slowly is disconnected.
    fn send(&mut self, message: FromExchange) -> Result<(), SessionEnd> {
        (self.last_message_at, self.idle) = (Instant::now(), false);
        self.to_client.try_send(message).map_err(|_| SessionEnd::Cut)
    }

    fn receive(&mut self, message: &FromClient) -> Result<(), SessionEnd> {
        if self.fault().is_some_and(|fault| fault.kind == FaultKind::Silent) {
            return Ok(());
        }
        let now = Instant::now();
        if now - self.received.since >= ONE_SECOND {
            self.received = ReceivedMessages { since: now, count: 0 };
        }
        if self.dialect.rules().max_messages_per_sec.is_some_and(|most| self.received.count >= most) {
            return Err(SessionEnd::Closed(POLICY_VIOLATION));
        }
        self.received.count += 1;
        self.last_message_at = now;
        match message {
            FromClient::Text(text) => {
                // The prices of a new subscription follow its confirmation immediately.
                self.send_texts(Content::Other, |dialect, view| dialect.handle_message(text, view))?;
                self.send_texts(Content::Prices, |dialect, view| dialect.price_updates(view))
            }
            FromClient::Ping => self.send(FromExchange::Pong),
            FromClient::Pong => {
                self.unanswered_ping_at = None;
                Ok(())
            }
            FromClient::Close => Err(SessionEnd::Cut),
        }
    }

    fn on_step(&mut self) -> Result<(), SessionEnd> {
        let now = Instant::now();
        let kind = self.fault().map(|fault| fault.kind);
        match kind {
            Some(FaultKind::Down | FaultKind::Cut) => return Err(SessionEnd::Cut),
            Some(FaultKind::RestartNotice) => self.announce_restart(now)?,
            _ => self.restart_announced_at = None,
        }
        if kind == Some(FaultKind::Silent) {
            self.restart_timeouts(now);
        } else {
            self.check_rules(now)?;
            self.ping(now)?;
        }
        self.send_texts(Content::Prices, |dialect, view| dialect.price_updates(view))?;
        if now - self.last_heartbeat_at >= HEARTBEAT_INTERVAL {
            self.last_heartbeat_at = now;
            let idle = self.idle;
            self.send_texts(Content::Other, |dialect, view| dialect.heartbeats(view, idle))?;
            self.idle = true;
        }
        Ok(())
    }

    /// Restarts the idle time and discards an unanswered ping. Called during the fault `silent`, in which the exchange
    /// ignores the client's messages. Without this call, the connection could be closed as soon as the fault ends.
    fn restart_timeouts(&mut self, now: Instant) {
        self.last_message_at = now;
        self.unanswered_ping_at = None;
    }

    fn check_rules(&self, now: Instant) -> Result<(), SessionEnd> {
        let (rules, age) = (self.dialect.rules(), now - self.opened_at);
        if rules.max_age.is_some_and(|most| age >= most) {
            return Err(SessionEnd::Closed(GOING_AWAY));
        }
        if rules.subscribe_within.is_some_and(|limit| age >= limit && !self.dialect.is_subscribed()) {
            return Err(SessionEnd::Closed(POLICY_VIOLATION));
        }
        if rules.max_idle.is_some_and(|most| now - self.last_message_at >= most) {
            return Err(SessionEnd::Closed(GOING_AWAY));
        }
        Ok(())
    }

    fn ping(&mut self, now: Instant) -> Result<(), SessionEnd> {
        let Some(rule) = self.dialect.rules().pings else { return Ok(()) };
        if self.unanswered_ping_at.is_some_and(|since| now - since >= rule.pong_timeout) {
            return Err(SessionEnd::Closed(POLICY_VIOLATION));
        }
        if now - self.last_ping_at >= rule.interval {
            self.last_ping_at = now;
            self.unanswered_ping_at.get_or_insert(now);
            // A ping does not count as a message: it neither restarts the idle time nor replaces a heartbeat.
            self.to_client.try_send(FromExchange::Ping).map_err(|_| SessionEnd::Cut)?;
        }
        Ok(())
    }

    /// Announces a restart on the first call, and ends the connection [`RESTART_NOTICE_LEAD`] later.
    fn announce_restart(&mut self, now: Instant) -> Result<(), SessionEnd> {
        match self.restart_announced_at {
            Some(announced_at) if now - announced_at >= RESTART_NOTICE_LEAD => Err(SessionEnd::Closed(GOING_AWAY)),
            Some(_) => Ok(()),
            None => {
                self.restart_announced_at = Some(now);
                self.send_texts(Content::Other, |dialect, view| dialect.restart_notice(view).into_iter().collect())
            }
        }
    }
}

fn first_half(text: &str) -> String {
    let mut half = text.len() / 2;
    while !text.is_char_boundary(half) {
        half -= 1;
    }
    text[..half].to_owned()
}
