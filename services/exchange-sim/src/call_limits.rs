//! Who calls too often: what each exchange counts, whom it bans, and who calls inside a ban that was announced.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::time::Timestamp;
use poem_openapi::Object;
use serde::Serialize;

use crate::faults::{Fault, FaultKind, MAX_RETRY_AFTER};

/// From the sixth call on, a throttling exchange refuses.
const MAX_THROTTLED_CALLS: u32 = 5;
/// The first ban of an exchange whose bans grow, in seconds.
const FIRST_BAN_SECS: u64 = 120;

/// What an exchange grants. All callers count as one address, as they do behind one gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallLimit {
    /// How much may be asked within a window; windows are aligned to the clock.
    pub(crate) weight: u32,
    /// In seconds.
    pub(crate) window: u32,
    pub(crate) penalty: Penalty,
}

/// What becomes of a caller that went over the limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Penalty {
    /// Refused until the window ends, which is announced; who calls meanwhile is banned for two minutes, then four, and so
    /// on up to three days.
    Growing,
    /// Refused for so many seconds, which is announced. A call meanwhile starts them anew.
    Announced(u64),
    /// Refused for so many seconds, which is not announced. A call meanwhile starts them anew.
    Silent(u64),
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallDecision {
    Served {
        /// What was asked for within this window, this call included.
        used: u32,
        /// How many calls there were since the exchange began to throttle, this one included.
        queued: u32,
    },
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) used: u32,
    /// What is announced, in seconds.
    pub(crate) retry_after: Option<u64>,
    /// Whether it is more than a first refusal.
    pub(crate) banned: bool,
    pub(crate) until: Timestamp,
}

/// What one exchange counted since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize)]
pub struct ExchangeCalls {
    pub exchange: String,
    pub calls: u64,
    /// Calls that were answered with a refusal because there were too many.
    pub refused: u64,
    /// How often a time to come back was announced.
    pub announced: u64,
    /// Calls that came before the announced time was over. Nobody should ever make one.
    pub inside_announced_ban: u64,
    /// Calls that came while a block was on that had not been announced.
    pub inside_silent_block: u64,
    /// When the last call inside an announced ban came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub last_inside_at: Option<Timestamp>,
    /// Until when callers are banned, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub banned_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Ban {
    until: Timestamp,
    announced: bool,
}

#[derive(Debug, Default)]
struct CallState {
    counted: ExchangeCalls,
    /// The number of the window, and what was asked for within it.
    window: (i64, u32),
    ban: Option<Ban>,
    /// How often a ban was ignored.
    ignored: u32,
    /// Since when it throttles, and the calls since.
    queue: Option<(Timestamp, u32)>,
}

/// The books of all exchanges.
#[derive(Debug, Default)]
pub struct CallLimiter(Mutex<BTreeMap<&'static str, CallState>>);

impl CallLimiter {
    /// Writes a call down and decides about it. Without `limit`, only faults and the bans they caused refuse.
    pub(crate) fn record(
        &self,
        exchange: &'static str,
        (limit, enforced): (&CallLimit, bool),
        weight: u32,
        fault: Option<&Fault>,
        now: Timestamp,
    ) -> CallDecision {
        let mut states = self.lock();
        states.entry(exchange).or_default().record((limit, enforced), weight, fault, now)
    }

    /// Forgets the ban of an exchange, as its support does when it is asked nicely. What was counted stays.
    pub(crate) fn lift_ban(&self, exchange: &str) {
        if let Some(state) = self.lock().get_mut(exchange) {
            (state.ban, state.ignored, state.queue) = (None, 0, None);
        }
    }

    /// What was counted for each exchange.
    pub(crate) fn counts(&self, exchanges: &[&'static str], now: Timestamp) -> Vec<ExchangeCalls> {
        let states = self.lock();
        let one = |name: &&'static str| {
            let state = states.get(name);
            let ban = state.and_then(|state| state.ban).filter(|ban| now < ban.until);
            let counted = state.map(|state| state.counted.clone()).unwrap_or_default();
            ExchangeCalls { exchange: (*name).to_owned(), banned_until: ban.map(|ban| ban.until), ..counted }
        };
        exchanges.iter().map(one).collect()
    }

    /// A map is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, CallState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallState {
    fn record(
        &mut self,
        (limit, enforced): (&CallLimit, bool),
        weight: u32,
        fault: Option<&Fault>,
        now: Timestamp,
    ) -> CallDecision {
        self.counted.calls += 1;
        let window = now.micros().div_euclid(i64::from(limit.window) * 1_000_000);
        let used = if self.window.0 == window { self.window.1.saturating_add(weight) } else { weight };
        self.window = (window, used);

        let ban = self.ban.filter(|ban| now < ban.until);
        if let Some(ban) = ban {
            if ban.announced {
                self.counted.inside_announced_ban += 1;
                self.counted.last_inside_at = Some(now);
            } else {
                self.counted.inside_silent_block += 1;
            }
            let ban = self.extend_ban(ban, limit, now);
            return self.refuse(ban, true, used, now);
        }
        self.ignored = 0;
        let queued = self.count_throttled(fault);
        match fault.map(|fault| fault.kind) {
            Some(FaultKind::RateLimitedSilently) => {
                let until = fault.map_or(now, |fault| fault.until);
                self.refuse(Ban { until, announced: false }, false, used, now)
            }
            Some(kind @ (FaultKind::RateLimited | FaultKind::IpBanned)) => {
                let told = fault.and_then(Fault::retry_after);
                let ban = told.map_or_else(|| first_ban(limit, now), |seconds| announced_ban(seconds, now));
                self.refuse(ban, kind == FaultKind::IpBanned, used, now)
            }
            Some(FaultKind::Throttled) if queued > MAX_THROTTLED_CALLS => {
                self.refuse(first_ban(limit, now), false, used, now)
            }
            _ if enforced && used > limit.weight => self.refuse(first_ban(limit, now), false, used, now),
            _ => CallDecision::Served { used, queued },
        }
    }

    /// What a call inside a ban leads to.
    fn extend_ban(&mut self, ban: Ban, limit: &CallLimit, now: Timestamp) -> Ban {
        let at_least = |seconds| ban.until.max(announced_ban(seconds, now).until);
        match limit.penalty {
            Penalty::Growing if ban.announced => {
                let seconds = FIRST_BAN_SECS.checked_shl(self.ignored).unwrap_or(MAX_RETRY_AFTER).min(MAX_RETRY_AFTER);
                self.ignored = self.ignored.saturating_add(1).min(32);
                Ban { until: at_least(seconds), ..ban }
            }
            Penalty::Announced(seconds) if ban.announced => Ban { until: at_least(seconds), ..ban },
            Penalty::Silent(seconds) if !ban.announced => Ban { until: at_least(seconds), ..ban },
            _ => ban,
        }
    }

    fn refuse(&mut self, ban: Ban, banned: bool, used: u32, now: Timestamp) -> CallDecision {
        self.counted.refused += 1;
        self.counted.announced += u64::from(ban.announced);
        self.ban = Some(ban);
        let millis = ban.until.since(now).as_millis();
        let seconds = u64::try_from(millis.div_ceil(1_000)).unwrap_or(MAX_RETRY_AFTER).max(1);
        let retry_after = ban.announced.then_some(seconds);
        CallDecision::Refused(Refusal { used, retry_after, banned, until: ban.until })
    }

    fn count_throttled(&mut self, fault: Option<&Fault>) -> u32 {
        let Some(fault) = fault.filter(|fault| fault.kind == FaultKind::Throttled) else { return 0 };
        let before = self.queue.filter(|(since, _)| *since == fault.since).map_or(0, |(_, calls)| calls);
        self.queue = Some((fault.since, before.saturating_add(1)));
        before.saturating_add(1)
    }
}

/// The ban that a first call over the limit leads to.
fn first_ban(limit: &CallLimit, now: Timestamp) -> Ban {
    match limit.penalty {
        Penalty::Growing => {
            let window = i64::from(limit.window) * 1_000_000;
            let rest = window - now.micros().rem_euclid(window);
            Ban { until: now.plus(Duration::from_micros(u64::try_from(rest).unwrap_or(0))), announced: true }
        }
        Penalty::Announced(seconds) => announced_ban(seconds, now),
        Penalty::Silent(seconds) => Ban { announced: false, ..announced_ban(seconds, now) },
    }
}

fn announced_ban(seconds: u64, now: Timestamp) -> Ban {
    Ban { until: now.plus(Duration::from_secs(seconds)), announced: true }
}

#[cfg(test)]
mod tests;
