//! One connection of one client: what is said when, by the clock of the simulation.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{FromClient, FromExchange, dialect::WsDialect};
use crate::{
    Simulation,
    faults::{Fault, FaultKind},
    market::exchange_view::ExchangeView,
};

/// How often prices are looked at.
const STEP: Duration = Duration::from_millis(250);
/// From one heartbeat to the next.
const BEAT: Duration = Duration::from_secs(1);
/// From the notice of a restart to the cut.
const NOTICE_LEAD: Duration = Duration::from_secs(10);
/// Close codes of RFC 6455: the exchange goes away; the client did what it may not.
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;

struct Session {
    dialect: Box<dyn WsDialect>,
    exchange: &'static str,
    simulation: Simulation,
    to_client: mpsc::Sender<FromExchange>,
    opened_at: Instant,
    /// When either side said something last.
    last_message_at: Instant,
    last_heartbeat_at: Instant,
    last_ping_at: Instant,
    /// A ping that is not answered yet.
    unanswered_ping_at: Option<Instant>,
    restart_announced_at: Option<Instant>,
    /// Whether the exchange said anything since its last heartbeat.
    quiet: bool,
    /// The last message with prices.
    before: Option<String>,
    /// Messages of the client since the second began.
    heard: (Instant, u32),
}

/// The connection ends: with a close frame, or cut.
struct SessionEnd(Option<u16>);

/// Speaks with one client until either side hangs up.
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
        quiet: true,
        before: None,
        heard: (now, 0),
    };
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = session.send_from_dialect(|dialect, view| dialect.greeting(view), false);
    while ended.is_ok() {
        ended = tokio::select! {
            biased;
            heard = from_client.recv() => match heard {
                Some(FromClient::Close) | None => Err(SessionEnd(None)),
                Some(heard) => session.receive(&heard),
            },
            _ = steps.tick() => session.on_step(),
        };
    }
    if let Err(SessionEnd(Some(code))) = ended {
        // Where nobody listens any more, nobody misses it.
        let _ = to_client.try_send(FromExchange::Close(code));
    }
}

impl Session {
    fn fault(&self) -> Option<Fault> {
        self.simulation.faults.active(self.exchange, self.simulation.clock.now())
    }

    /// Sends what `speak` says, as far as that gets through; `prices` is whether it is about prices.
    fn send_from_dialect(
        &mut self,
        speak: impl FnOnce(&mut dyn WsDialect, &ExchangeView<'_>) -> Vec<String>,
        prices: bool,
    ) -> Result<(), SessionEnd> {
        let (fault, now) = (self.fault(), self.simulation.clock.now());
        let market = &self.simulation.market;
        let view = ExchangeView::new(market, self.exchange, now, fault.as_ref());
        let texts = speak(self.dialect.as_mut(), &view);
        match fault.map(|fault| fault.kind) {
            Some(FaultKind::Silent) => Ok(()),
            Some(FaultKind::HeartbeatOnly) if prices => Ok(()),
            Some(FaultKind::Empty) if prices => self.send_all(texts.iter().map(|_| String::new())),
            Some(FaultKind::Truncated) if prices => self.send_all(texts.iter().map(|text| first_half(text))),
            Some(FaultKind::OutOfOrder) if prices => {
                for text in texts {
                    let older = self.before.replace(text.clone());
                    self.send_all([Some(text.clone()), older, Some(text)].into_iter().flatten())?;
                }
                Ok(())
            }
            _ => {
                if prices {
                    self.before = texts.last().cloned().or(self.before.take());
                }
                self.send_all(texts)
            }
        }
    }

    fn send_all(&mut self, texts: impl IntoIterator<Item = String>) -> Result<(), SessionEnd> {
        texts.into_iter().try_for_each(|text| self.send(FromExchange::Text(text)))
    }

    /// A client that does not take what is said is cut off.
    fn send(&mut self, message: FromExchange) -> Result<(), SessionEnd> {
        (self.last_message_at, self.quiet) = (Instant::now(), false);
        self.to_client.try_send(message).map_err(|_| SessionEnd(None))
    }

    fn receive(&mut self, heard: &FromClient) -> Result<(), SessionEnd> {
        let now = Instant::now();
        let (second, count) = if now - self.heard.0 < BEAT { self.heard } else { (now, 0) };
        self.heard = (second, count + 1);
        if self.dialect.connection_rules().max_messages.is_some_and(|most| count >= most) {
            return Err(SessionEnd(Some(POLICY)));
        }
        let silent = self.fault().is_some_and(|fault| fault.kind == FaultKind::Silent);
        if silent {
            return Ok(());
        }
        self.last_message_at = now;
        match heard {
            FromClient::Text(text) => {
                // Each answer is followed by the prices that it promises.
                self.send_from_dialect(|dialect, view| dialect.handle_message(text, view), false)?;
                self.send_from_dialect(|dialect, view| dialect.price_updates(view), true)
            }
            FromClient::Ping => self.send(FromExchange::Pong),
            FromClient::Pong => {
                self.unanswered_ping_at = None;
                Ok(())
            }
            FromClient::Close => Err(SessionEnd(None)),
        }
    }

    fn on_step(&mut self) -> Result<(), SessionEnd> {
        let (now, connection_rules) = (Instant::now(), self.dialect.connection_rules());
        let kind = self.fault().map(|fault| fault.kind);
        match kind {
            Some(FaultKind::Down | FaultKind::Cut) => return Err(SessionEnd(None)),
            Some(FaultKind::RestartNotice) => self.announce_restart(now)?,
            _ => self.restart_announced_at = None,
        }
        let age = now - self.opened_at;
        if connection_rules.max_life.is_some_and(|life| age >= life) {
            return Err(SessionEnd(Some(GOING_AWAY)));
        }
        if connection_rules.subscribe_within.is_some_and(|within| age >= within && !self.dialect.is_subscribed()) {
            return Err(SessionEnd(Some(POLICY)));
        }
        if connection_rules.idle.is_some_and(|idle| now - self.last_message_at >= idle) {
            return Err(SessionEnd(Some(GOING_AWAY)));
        }
        if let Some((every, within)) = connection_rules.pings {
            if self.unanswered_ping_at.is_some_and(|since| now - since >= within) {
                return Err(SessionEnd(Some(POLICY)));
            }
            if now - self.last_ping_at >= every && kind != Some(FaultKind::Silent) {
                self.last_ping_at = now;
                self.unanswered_ping_at.get_or_insert(now);
                self.to_client.try_send(FromExchange::Ping).map_err(|_| SessionEnd(None))?;
            }
        }
        self.send_from_dialect(|dialect, view| dialect.price_updates(view), true)?;
        if now - self.last_heartbeat_at >= BEAT {
            self.last_heartbeat_at = now;
            let quiet = std::mem::replace(&mut self.quiet, true);
            self.send_from_dialect(|dialect, view| dialect.heartbeats(view, quiet), false)?;
            self.quiet = true;
        }
        Ok(())
    }

    /// A restart is announced once, and the connection is cut some time after.
    fn announce_restart(&mut self, now: Instant) -> Result<(), SessionEnd> {
        match self.restart_announced_at {
            Some(at) if now - at >= NOTICE_LEAD => Err(SessionEnd(Some(GOING_AWAY))),
            Some(_) => Ok(()),
            None => {
                self.restart_announced_at = Some(now);
                self.send_from_dialect(|dialect, view| dialect.restart_notice(view).into_iter().collect(), false)
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
