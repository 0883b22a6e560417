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
const QUEUED: u32 = 5;
/// The first ban of an exchange whose bans grow, in seconds.
const FIRST_BAN: u64 = 120;

/// What an exchange grants. All callers count as one address, as they do behind one gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
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
pub(crate) enum Verdict {
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
struct Account {
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
pub struct Calls(Mutex<BTreeMap<&'static str, Account>>);

impl Calls {
    /// Writes a call down and decides about it. Without `limit`, only faults and the bans they caused refuse.
    pub(crate) fn count(
        &self,
        exchange: &'static str,
        (limit, enforced): (&Limit, bool),
        weight: u32,
        fault: Option<&Fault>,
        now: Timestamp,
    ) -> Verdict {
        let mut books = self.lock();
        books.entry(exchange).or_default().count((limit, enforced), weight, fault, now)
    }

    /// Forgets the ban of an exchange, as its support does when it is asked nicely. What was counted stays.
    pub(crate) fn pardon(&self, exchange: &str) {
        if let Some(account) = self.lock().get_mut(exchange) {
            (account.ban, account.ignored, account.queue) = (None, 0, None);
        }
    }

    /// What was counted for each exchange.
    pub(crate) fn all(&self, exchanges: &[&'static str], now: Timestamp) -> Vec<ExchangeCalls> {
        let books = self.lock();
        let one = |name: &&'static str| {
            let account = books.get(name);
            let ban = account.and_then(|account| account.ban).filter(|ban| now < ban.until);
            let counted = account.map(|account| account.counted.clone()).unwrap_or_default();
            ExchangeCalls { exchange: (*name).to_owned(), banned_until: ban.map(|ban| ban.until), ..counted }
        };
        exchanges.iter().map(one).collect()
    }

    /// A map is whole even after a panic.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn count(
        &mut self,
        (limit, enforced): (&Limit, bool),
        weight: u32,
        fault: Option<&Fault>,
        now: Timestamp,
    ) -> Verdict {
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
            let ban = self.longer(ban, limit, now);
            return self.refuse(ban, true, used, now);
        }
        self.ignored = 0;
        let queued = self.queued(fault);
        match fault.map(|fault| fault.kind) {
            Some(FaultKind::RateLimitedSilently) => {
                let until = fault.map_or(now, |fault| fault.until);
                self.refuse(Ban { until, announced: false }, false, used, now)
            }
            Some(kind @ (FaultKind::RateLimited | FaultKind::IpBanned)) => {
                let told = fault.and_then(Fault::retry_after);
                let ban = told.map_or_else(|| first(limit, now), |seconds| announced(seconds, now));
                self.refuse(ban, kind == FaultKind::IpBanned, used, now)
            }
            Some(FaultKind::Throttled) if queued > QUEUED => self.refuse(first(limit, now), false, used, now),
            _ if enforced && used > limit.weight => self.refuse(first(limit, now), false, used, now),
            _ => Verdict::Served { used, queued },
        }
    }

    /// What a call inside a ban leads to.
    fn longer(&mut self, ban: Ban, limit: &Limit, now: Timestamp) -> Ban {
        let at_least = |seconds| ban.until.max(announced(seconds, now).until);
        match limit.penalty {
            Penalty::Growing if ban.announced => {
                let seconds = FIRST_BAN.checked_shl(self.ignored).unwrap_or(MAX_RETRY_AFTER).min(MAX_RETRY_AFTER);
                self.ignored = self.ignored.saturating_add(1).min(32);
                Ban { until: at_least(seconds), ..ban }
            }
            Penalty::Announced(seconds) if ban.announced => Ban { until: at_least(seconds), ..ban },
            Penalty::Silent(seconds) if !ban.announced => Ban { until: at_least(seconds), ..ban },
            _ => ban,
        }
    }

    fn refuse(&mut self, ban: Ban, banned: bool, used: u32, now: Timestamp) -> Verdict {
        self.counted.refused += 1;
        self.counted.announced += u64::from(ban.announced);
        self.ban = Some(ban);
        let millis = ban.until.since(now).as_millis();
        let seconds = u64::try_from(millis.div_ceil(1_000)).unwrap_or(MAX_RETRY_AFTER).max(1);
        let retry_after = ban.announced.then_some(seconds);
        Verdict::Refused(Refusal { used, retry_after, banned, until: ban.until })
    }

    fn queued(&mut self, fault: Option<&Fault>) -> u32 {
        let Some(fault) = fault.filter(|fault| fault.kind == FaultKind::Throttled) else { return 0 };
        let before = self.queue.filter(|(since, _)| *since == fault.since).map_or(0, |(_, calls)| calls);
        self.queue = Some((fault.since, before.saturating_add(1)));
        before.saturating_add(1)
    }
}

/// The ban that a first call over the limit leads to.
fn first(limit: &Limit, now: Timestamp) -> Ban {
    match limit.penalty {
        Penalty::Growing => {
            let window = i64::from(limit.window) * 1_000_000;
            let rest = window - now.micros().rem_euclid(window);
            Ban { until: now.plus(Duration::from_micros(u64::try_from(rest).unwrap_or(0))), announced: true }
        }
        Penalty::Announced(seconds) => announced(seconds, now),
        Penalty::Silent(seconds) => Ban { announced: false, ..announced(seconds, now) },
    }
}

fn announced(seconds: u64, now: Timestamp) -> Ban {
    Ban { until: now.plus(Duration::from_secs(seconds)), announced: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::NewFault;

    const GROWING: Limit = Limit { weight: 4, window: 60, penalty: Penalty::Growing };
    const SILENT: Limit = Limit { weight: 1, window: 10, penalty: Penalty::Silent(60) };

    fn at(seconds: u64) -> Timestamp {
        "2026-01-02T03:04:00Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
    }

    /// What is announced to a call, where it is refused.
    fn call(calls: &Calls, limit: &Limit, fault: Option<&Fault>, second: u64) -> Option<(Option<u64>, bool)> {
        match calls.count("an exchange", (limit, true), 2, fault, at(second)) {
            Verdict::Served { .. } => None,
            Verdict::Refused(refusal) => Some((refusal.retry_after, refusal.banned)),
        }
    }

    fn counted(calls: &Calls) -> ExchangeCalls {
        calls.all(&["an exchange"], at(0)).remove(0)
    }

    #[test]
    fn over_the_limit_is_refused_and_who_goes_on_is_banned_for_longer_and_longer() {
        let calls = Calls::default();
        let call = |second| call(&calls, &GROWING, None, second);
        assert_eq!([0, 1].map(call), [None, None]);
        assert_eq!(call(50), Some((Some(10), false)));
        assert_eq!(counted(&calls).inside_announced_ban, 0);
        assert_eq!([51, 52, 53].map(call), [120, 240, 480].map(|seconds| Some((Some(seconds), true))));
        for second in 54..70 {
            call(second);
        }
        assert_eq!(call(70), Some((Some(MAX_RETRY_AFTER), true)));
        assert_eq!(counted(&calls).inside_announced_ban, 20);
        assert_eq!(call(70 + MAX_RETRY_AFTER), None);
        assert_eq!(counted(&calls).last_inside_at, Some(at(70)));
    }

    #[test]
    fn who_comes_back_when_told_to_is_served() {
        let calls = Calls::default();
        let call = |second| call(&calls, &GROWING, None, second);
        assert_eq!([0, 1, 2, 60].map(|second| call(second).is_some()), [false, false, true, false]);
        let counted = counted(&calls);
        assert_eq!((counted.calls, counted.refused, counted.announced), (4, 1, 1));
        assert_eq!((counted.inside_announced_ban, counted.inside_silent_block), (0, 0));
    }

    #[test]
    fn a_silent_block_is_not_announced_and_starts_anew_with_each_call() {
        let calls = Calls::default();
        let call = |second| call(&calls, &SILENT, None, second);
        assert_eq!([0, 50].map(call), [Some((None, false)), Some((None, true))]);
        assert_eq!(call(109), Some((None, true)));
        assert_eq!((counted(&calls).inside_announced_ban, counted(&calls).inside_silent_block), (0, 2));
    }

    #[test]
    fn faults_refuse_whatever_the_limit() {
        let wide = Limit { weight: 1_000, ..SILENT };
        let fault = |new: NewFault| Fault::new(&NewFault { seconds: Some(30), ..new }, at(0)).unwrap();
        let of = |kind| fault(NewFault::of(kind));
        let first = |fault: &Fault| call(&Calls::default(), &wide, Some(fault), 0);
        assert_eq!(first(&of(FaultKind::RateLimited)), Some((None, false)));
        assert_eq!(first(&of(FaultKind::RateLimitedSilently)), Some((None, false)));
        assert_eq!(first(&of(FaultKind::IpBanned)), Some((Some(120), true)));
        let told = fault(NewFault { retry_after: Some(7), ..NewFault::of(FaultKind::RateLimited) });
        let calls = Calls::default();
        assert_eq!(call(&calls, &wide, Some(&told), 0), Some((Some(7), false)));
        // The ban outlives nothing but itself, whatever the fault does.
        assert_eq!([3, 7].map(|second| call(&calls, &wide, None, second)), [Some((Some(4), true)), None]);
        calls.pardon("an exchange");
        assert_eq!(counted(&calls).inside_announced_ban, 1);
    }

    #[test]
    fn a_throttle_counts_who_waits_and_then_refuses() {
        let calls = Calls::default();
        let wide = Limit { weight: 1_000, ..SILENT };
        let fault = Fault::new(&NewFault::of(FaultKind::Throttled), at(0)).unwrap();
        for second in 1..=5 {
            let verdict = calls.count("an exchange", (&wide, true), 1, Some(&fault), at(second));
            let queued = u32::try_from(second).unwrap();
            assert!(matches!(verdict, Verdict::Served { queued: now, .. } if now == queued), "{verdict:?}");
        }
        assert_eq!(call(&calls, &wide, Some(&fault), 6), Some((None, false)));
    }
}
