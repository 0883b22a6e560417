//! Rate limits: counts the calls to each exchange, refuses calls, and counts the calls that ignore a refusal.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::time::Timestamp;
use poem_openapi::Object;
use serde::Serialize;

use crate::faults::{Fault, FaultKind, MAX_RETRY_AFTER_SECS};

/// Number of calls that an exchange with the fault `throttled` serves before it refuses calls.
const MAX_THROTTLED_CALLS: u32 = 5;
/// Duration of the first ban under [`Penalty::GrowingBan`].
const FIRST_BAN_SECS: u64 = 120;

/// An exchange's rate limit. All callers share the limit, as if they had one IP address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    /// Maximum weight within one window. Windows are aligned to the clock.
    pub(crate) max_weight: u32,
    pub(crate) window_secs: u32,
    pub(crate) penalty: Penalty,
}

/// How an exchange treats a caller that exceeds the limit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Penalty {
    /// Refuses calls until the window ends. `Retry-After` announces this end. A call before the end bans the caller for
    /// two minutes. Each further call doubles the duration of the ban, up to three days.
    GrowingBan,
    /// Refuses calls for `seconds`. `Retry-After` announces the remaining time. Each further call restarts the ban.
    BanWithRetryAfter { seconds: u64 },
    /// Refuses calls for `seconds`, without `Retry-After`. Each further call restarts the ban.
    BanWithoutRetryAfter { seconds: u64 },
}

/// One call to an exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IncomingCall<'a> {
    pub(crate) limit: &'a RateLimit,
    /// Whether a call above the limit is refused. Faults and current bans refuse calls regardless of this setting.
    pub(crate) enforce_limit: bool,
    /// The weight with which the call counts towards the limit.
    pub(crate) weight: u32,
    pub(crate) fault: Option<&'a Fault>,
    pub(crate) time: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallDecision {
    Served {
        /// The weight used within the current window, this call included.
        used_weight: u32,
        /// Calls since the fault `throttled` began, this call included. Zero without that fault.
        throttled_calls: u32,
    },
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) used_weight: u32,
    /// The announced waiting time in seconds. `None` if the exchange announces nothing.
    pub(crate) retry_after: Option<u64>,
    /// Whether the refusal is a ban: the call came after a refusal that still applies, or the fault `ip_banned` is
    /// active.
    pub(crate) banned: bool,
    /// When calls are served again, if the caller makes no call before this time.
    pub(crate) until: Timestamp,
}

/// The counters of one exchange since the start of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize)]
#[oai(rename = "ExchangeCalls")]
pub struct CallCounters {
    pub exchange: String,
    pub calls: u64,
    /// Calls that were refused because of the rate limit, a ban, or a fault that simulates such a refusal.
    pub refused: u64,
    /// Refusals that announced when to call again.
    pub announced: u64,
    /// Calls before the announced time had passed. A correct client makes no such calls.
    pub inside_announced_ban: u64,
    /// Calls during a ban that had not been announced.
    pub inside_silent_block: u64,
    /// When the last call during an announced ban arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub last_inside_at: Option<Timestamp>,
    /// The end of the current ban. Absent if there is no ban.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub banned_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Ban {
    until: Timestamp,
    /// Whether `Retry-After` announces the end of the ban.
    announced: bool,
}

#[derive(Debug, Default)]
struct Window {
    /// The number of the current window, counted from 1970.
    number: i64,
    used_weight: u32,
}

#[derive(Debug, Clone, Copy)]
struct Throttling {
    fault_since: Timestamp,
    calls: u32,
}

/// The state of one exchange.
#[derive(Debug, Default)]
struct CallState {
    counters: CallCounters,
    window: Window,
    ban: Option<Ban>,
    /// Number of calls during the current ban under [`Penalty::GrowingBan`]. Determines how long the next call extends
    /// the ban.
    ignored_refusals: u32,
    throttling: Option<Throttling>,
}

/// The limiter of all exchanges.
#[derive(Debug, Default)]
pub(crate) struct RateLimiter(Mutex<BTreeMap<&'static str, CallState>>);

impl RateLimiter {
    /// Counts a call and decides whether it is served.
    pub(crate) fn record_call(&self, exchange: &'static str, call: &IncomingCall<'_>) -> CallDecision {
        self.lock().entry(exchange).or_default().record_call(call)
    }

    /// Unbans the callers of an exchange, and resets its throttling. The counters stay.
    pub(crate) fn unban_callers(&self, exchange: &str) {
        if let Some(state) = self.lock().get_mut(exchange) {
            state.ban = None;
            state.ignored_refusals = 0;
            state.throttling = None;
        }
    }

    /// The counters of `exchanges`, in the same order.
    pub(crate) fn counters(&self, exchanges: &[&'static str], now: Timestamp) -> Vec<CallCounters> {
        let states = self.lock();
        let counters = |name: &&'static str| {
            let state = states.get(name);
            let ban = state.and_then(|state| state.ban).filter(|ban| now < ban.until);
            let counters = state.map(|state| state.counters.clone()).unwrap_or_default();
            CallCounters { exchange: (*name).to_owned(), banned_until: ban.map(|ban| ban.until), ..counters }
        };
        exchanges.iter().map(counters).collect()
    }

    /// Locks the states. A poisoned lock is accepted, because the counters stay usable after a panic.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, CallState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallState {
    fn record_call(&mut self, call: &IncomingCall<'_>) -> CallDecision {
        self.counters.calls += 1;
        self.use_weight(call);
        if let Some(ban) = self.ban.filter(|ban| call.time < ban.until) {
            return self.refuse_banned(ban, call);
        }
        self.ignored_refusals = 0;
        let throttled_calls = self.count_throttled(call.fault);
        let usual_ban = || Ban::first(call.limit, call.time);
        match call.fault {
            Some(fault) if fault.kind == FaultKind::RateLimitedSilently => {
                self.refuse(Ban { until: fault.until, announced: false }, false, call.time)
            }
            Some(fault) if matches!(fault.kind, FaultKind::RateLimited | FaultKind::IpBanned) => {
                let ban = fault.retry_after().map_or_else(usual_ban, |seconds| Ban::announced(seconds, call.time));
                self.refuse(ban, fault.kind == FaultKind::IpBanned, call.time)
            }
            Some(fault) if fault.kind == FaultKind::Throttled && throttled_calls > MAX_THROTTLED_CALLS => {
                self.refuse(usual_ban(), false, call.time)
            }
            _ if call.enforce_limit && self.window.used_weight > call.limit.max_weight => {
                self.refuse(usual_ban(), false, call.time)
            }
            _ => CallDecision::Served { used_weight: self.window.used_weight, throttled_calls },
        }
    }

    fn use_weight(&mut self, call: &IncomingCall<'_>) {
        let number = call.time.micros().div_euclid(call.limit.window_micros());
        let before = if self.window.number == number { self.window.used_weight } else { 0 };
        self.window = Window { number, used_weight: before.saturating_add(call.weight) };
    }

    fn refuse_banned(&mut self, ban: Ban, call: &IncomingCall<'_>) -> CallDecision {
        if ban.announced {
            self.counters.inside_announced_ban += 1;
            self.counters.last_inside_at = Some(call.time);
        } else {
            self.counters.inside_silent_block += 1;
        }
        let ban = self.extend_ban(ban, call.limit, call.time);
        self.refuse(ban, true, call.time)
    }

    /// Returns the ban that applies after a call during `ban`.
    fn extend_ban(&mut self, ban: Ban, limit: &RateLimit, now: Timestamp) -> Ban {
        let extended_by = |seconds| Ban { until: ban.until.max(Ban::announced(seconds, now).until), ..ban };
        match limit.penalty {
            Penalty::GrowingBan if ban.announced => {
                let doubled = FIRST_BAN_SECS.checked_shl(self.ignored_refusals).unwrap_or(MAX_RETRY_AFTER_SECS);
                self.ignored_refusals = self.ignored_refusals.saturating_add(1).min(32);
                extended_by(doubled.min(MAX_RETRY_AFTER_SECS))
            }
            Penalty::BanWithRetryAfter { seconds } if ban.announced => extended_by(seconds),
            Penalty::BanWithoutRetryAfter { seconds } if !ban.announced => extended_by(seconds),
            _ => ban,
        }
    }

    fn refuse(&mut self, ban: Ban, banned: bool, now: Timestamp) -> CallDecision {
        self.counters.refused += 1;
        self.counters.announced += u64::from(ban.announced);
        self.ban = Some(ban);
        let millis = ban.until.since(now).as_millis();
        let seconds = u64::try_from(millis.div_ceil(1_000)).unwrap_or(MAX_RETRY_AFTER_SECS).max(1);
        let retry_after = ban.announced.then_some(seconds);
        CallDecision::Refused(Refusal { used_weight: self.window.used_weight, retry_after, banned, until: ban.until })
    }

    /// Counts a call under the fault `throttled`. The count restarts with each new fault.
    fn count_throttled(&mut self, fault: Option<&Fault>) -> u32 {
        let Some(fault) = fault.filter(|fault| fault.kind == FaultKind::Throttled) else { return 0 };
        let before = self.throttling.filter(|throttling| throttling.fault_since == fault.since);
        let calls = before.map_or(0, |throttling| throttling.calls).saturating_add(1);
        self.throttling = Some(Throttling { fault_since: fault.since, calls });
        calls
    }
}

impl RateLimit {
    fn window_micros(&self) -> i64 {
        i64::from(self.window_secs) * 1_000_000
    }
}

impl Ban {
    /// The ban after the first call above the limit.
    fn first(limit: &RateLimit, now: Timestamp) -> Self {
        match limit.penalty {
            Penalty::GrowingBan => {
                let window = limit.window_micros();
                let rest = window - now.micros().rem_euclid(window);
                let until = now.plus(Duration::from_micros(u64::try_from(rest).unwrap_or(0)));
                Self { until, announced: true }
            }
            Penalty::BanWithRetryAfter { seconds } => Self::announced(seconds, now),
            Penalty::BanWithoutRetryAfter { seconds } => Self { announced: false, ..Self::announced(seconds, now) },
        }
    }

    fn announced(seconds: u64, now: Timestamp) -> Self {
        Self { until: now.plus(Duration::from_secs(seconds)), announced: true }
    }
}

#[cfg(test)]
mod tests;
