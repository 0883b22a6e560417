//! One connection of one client: what is said when, by the clock of the simulation.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};

use super::{FromClient, FromExchange, venue::Venue};
use crate::{
    Simulation,
    faults::{Fault, FaultKind},
    view::View,
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
    venue: Box<dyn Venue>,
    exchange: &'static str,
    simulation: Simulation,
    to_client: mpsc::Sender<FromExchange>,
    begun: Instant,
    /// When either side said something last.
    spoken_at: Instant,
    beaten_at: Instant,
    pinged_at: Instant,
    /// A ping that is not answered yet.
    unanswered: Option<Instant>,
    noticed_at: Option<Instant>,
    /// Whether the exchange said anything since its last heartbeat.
    quiet: bool,
    /// The last message with prices.
    before: Option<String>,
    /// Messages of the client since the second began.
    heard: (Instant, u32),
}

/// The connection ends: with a close frame, or cut.
struct Ended(Option<u16>);

/// Speaks with one client until either side hangs up.
pub(super) async fn run(
    venue: Box<dyn Venue>,
    exchange: &'static str,
    simulation: Simulation,
    mut from_client: mpsc::Receiver<FromClient>,
    to_client: mpsc::Sender<FromExchange>,
) {
    let now = Instant::now();
    let mut session = Session {
        venue,
        exchange,
        simulation,
        to_client: to_client.clone(),
        begun: now,
        spoken_at: now,
        beaten_at: now,
        pinged_at: now,
        unanswered: None,
        noticed_at: None,
        quiet: true,
        before: None,
        heard: (now, 0),
    };
    let mut steps = tokio::time::interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = session.say(|venue, view| venue.greet(view), false);
    while ended.is_ok() {
        ended = tokio::select! {
            biased;
            heard = from_client.recv() => match heard {
                Some(FromClient::Close) | None => Err(Ended(None)),
                Some(heard) => session.hear(&heard),
            },
            _ = steps.tick() => session.step(),
        };
    }
    if let Err(Ended(Some(code))) = ended {
        // Where nobody listens any more, nobody misses it.
        let _ = to_client.try_send(FromExchange::Close(code));
    }
}

impl Session {
    fn fault(&self) -> Option<Fault> {
        self.simulation.faults.of(self.exchange, self.simulation.clock.now())
    }

    /// Sends what `speak` says, as far as that gets through; `prices` is whether it is about prices.
    fn say(&mut self, speak: impl FnOnce(&mut dyn Venue, &View<'_>) -> Vec<String>, prices: bool) -> Result<(), Ended> {
        let (fault, now) = (self.fault(), self.simulation.clock.now());
        let market = &self.simulation.market;
        let view = View::new(market, self.exchange, now, fault.as_ref());
        let texts = speak(self.venue.as_mut(), &view);
        match fault.map(|fault| fault.kind) {
            Some(FaultKind::Silent) => Ok(()),
            Some(FaultKind::HeartbeatOnly) if prices => Ok(()),
            Some(FaultKind::Empty) if prices => self.send_all(texts.iter().map(|_| String::new())),
            Some(FaultKind::InvalidResponse) if prices => self.send_all(texts.iter().map(|text| first_half(text))),
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

    fn send_all(&mut self, texts: impl IntoIterator<Item = String>) -> Result<(), Ended> {
        texts.into_iter().try_for_each(|text| self.send(FromExchange::Text(text)))
    }

    /// A client that does not take what is said is cut off.
    fn send(&mut self, message: FromExchange) -> Result<(), Ended> {
        (self.spoken_at, self.quiet) = (Instant::now(), false);
        self.to_client.try_send(message).map_err(|_| Ended(None))
    }

    fn hear(&mut self, heard: &FromClient) -> Result<(), Ended> {
        let now = Instant::now();
        let (second, count) = if now - self.heard.0 < BEAT { self.heard } else { (now, 0) };
        self.heard = (second, count + 1);
        if self.venue.manners().max_messages.is_some_and(|most| count >= most) {
            return Err(Ended(Some(POLICY)));
        }
        let silent = self.fault().is_some_and(|fault| fault.kind == FaultKind::Silent);
        if silent {
            return Ok(());
        }
        self.spoken_at = now;
        match heard {
            FromClient::Text(text) => {
                // Each answer is followed by the prices that it promises.
                self.say(|venue, view| venue.hear(text, view), false)?;
                self.say(|venue, view| venue.prices(view), true)
            }
            FromClient::Ping => self.send(FromExchange::Pong),
            FromClient::Pong => {
                self.unanswered = None;
                Ok(())
            }
            FromClient::Close => Err(Ended(None)),
        }
    }

    fn step(&mut self) -> Result<(), Ended> {
        let (now, manners) = (Instant::now(), self.venue.manners());
        let kind = self.fault().map(|fault| fault.kind);
        match kind {
            Some(FaultKind::Down | FaultKind::Cut) => return Err(Ended(None)),
            Some(FaultKind::RestartNotice) => self.notice(now)?,
            _ => self.noticed_at = None,
        }
        let age = now - self.begun;
        if manners.max_life.is_some_and(|life| age >= life) {
            return Err(Ended(Some(GOING_AWAY)));
        }
        if manners.subscribe_within.is_some_and(|within| age >= within && !self.venue.is_subscribed()) {
            return Err(Ended(Some(POLICY)));
        }
        if manners.idle.is_some_and(|idle| now - self.spoken_at >= idle) {
            return Err(Ended(Some(GOING_AWAY)));
        }
        if let Some((every, within)) = manners.pings {
            if self.unanswered.is_some_and(|since| now - since >= within) {
                return Err(Ended(Some(POLICY)));
            }
            if now - self.pinged_at >= every && kind != Some(FaultKind::Silent) {
                self.pinged_at = now;
                self.unanswered.get_or_insert(now);
                self.to_client.try_send(FromExchange::Ping).map_err(|_| Ended(None))?;
            }
        }
        self.say(|venue, view| venue.prices(view), true)?;
        if now - self.beaten_at >= BEAT {
            self.beaten_at = now;
            let quiet = std::mem::replace(&mut self.quiet, true);
            self.say(|venue, view| venue.beat(view, quiet), false)?;
            self.quiet = true;
        }
        Ok(())
    }

    /// A restart is announced once, and the connection is cut some time after.
    fn notice(&mut self, now: Instant) -> Result<(), Ended> {
        match self.noticed_at {
            Some(at) if now - at >= NOTICE_LEAD => Err(Ended(Some(GOING_AWAY))),
            Some(_) => Ok(()),
            None => {
                self.noticed_at = Some(now);
                self.say(|venue, view| venue.notice(view).into_iter().collect(), false)
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
