use super::*;
use crate::faults::NewFault;

const GROWING: RateLimit = RateLimit { max_weight: 4, window_secs: 60, penalty: Penalty::GrowingBan };
const WITHOUT_RETRY_AFTER: RateLimit =
    RateLimit { max_weight: 1, window_secs: 10, penalty: Penalty::BanWithoutRetryAfter { seconds: 60 } };

fn time_at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:00Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

fn record(limiter: &RateLimiter, limit: &RateLimit, fault: Option<&Fault>, second: u64) -> CallDecision {
    let call = IncomingCall { limit, enforce_limit: true, weight: 2, fault, time: time_at(second) };
    limiter.record_call("an exchange", &call)
}

/// The `Retry-After` and the ban flag of a refused call. `None` for a served call.
fn call(limiter: &RateLimiter, limit: &RateLimit, fault: Option<&Fault>, second: u64) -> Option<(Option<u64>, bool)> {
    match record(limiter, limit, fault, second) {
        CallDecision::Served { .. } => None,
        CallDecision::Refused(refusal) => Some((refusal.retry_after, refusal.banned)),
    }
}

fn counters(limiter: &RateLimiter) -> CallCounters {
    limiter.counters(&["an exchange"], time_at(0)).remove(0)
}

#[test]
fn growing_penalty_doubles_the_ban_with_each_ignored_refusal() {
    let limiter = RateLimiter::default();
    let call = |second| call(&limiter, &GROWING, None, second);
    assert_eq!([0, 1].map(call), [None, None]);
    assert_eq!(call(50), Some((Some(10), false)));
    assert_eq!(counters(&limiter).inside_announced_ban, 0);
    assert_eq!([51, 52, 53].map(call), [120, 240, 480].map(|seconds| Some((Some(seconds), true))));
    for second in 54..70 {
        call(second);
    }
    assert_eq!(call(70), Some((Some(MAX_RETRY_AFTER_SECS), true)));
    assert_eq!(counters(&limiter).inside_announced_ban, 20);
    assert_eq!(call(70 + MAX_RETRY_AFTER_SECS), None);
    assert_eq!(counters(&limiter).last_inside_at, Some(time_at(70)));
}

#[test]
fn call_after_the_announced_time_is_served() {
    let limiter = RateLimiter::default();
    let call = |second| call(&limiter, &GROWING, None, second);
    assert_eq!([0, 1, 2, 60].map(|second| call(second).is_some()), [false, false, true, false]);
    let counters = counters(&limiter);
    assert_eq!((counters.calls, counters.refused, counters.announced), (4, 1, 1));
    assert_eq!((counters.inside_announced_ban, counters.inside_silent_block), (0, 0));
}

#[test]
fn ban_without_retry_after_restarts_with_each_call() {
    let limiter = RateLimiter::default();
    let call = |second| call(&limiter, &WITHOUT_RETRY_AFTER, None, second);
    assert_eq!([0, 50].map(call), [Some((None, false)), Some((None, true))]);
    assert_eq!(call(109), Some((None, true)));
    assert_eq!((counters(&limiter).inside_announced_ban, counters(&limiter).inside_silent_block), (0, 2));
}

#[test]
fn faults_refuse_calls_below_the_limit() {
    let wide = RateLimit { max_weight: 1_000, ..WITHOUT_RETRY_AFTER };
    let fault = |new: NewFault| Fault::new(&NewFault { seconds: Some(30), ..new }, time_at(0)).unwrap();
    let new_fault = |kind| fault(NewFault::new(kind));
    let first_refusal = |fault: &Fault| call(&RateLimiter::default(), &wide, Some(fault), 0);
    assert_eq!(first_refusal(&new_fault(FaultKind::RateLimited)), Some((None, false)));
    assert_eq!(first_refusal(&new_fault(FaultKind::RateLimitedSilently)), Some((None, false)));
    assert_eq!(first_refusal(&new_fault(FaultKind::IpBanned)), Some((Some(120), true)));
    let with_retry_after = fault(NewFault { retry_after: Some(7), ..NewFault::new(FaultKind::RateLimited) });
    let limiter = RateLimiter::default();
    assert_eq!(call(&limiter, &wide, Some(&with_retry_after), 0), Some((Some(7), false)));
    // The ban applies until its end, even without the fault.
    assert_eq!([3, 7].map(|second| call(&limiter, &wide, None, second)), [Some((Some(4), true)), None]);
    limiter.unban_callers("an exchange");
    assert_eq!(counters(&limiter).inside_announced_ban, 1);
}

#[test]
fn throttled_calls_are_counted_and_the_sixth_is_refused() {
    let limiter = RateLimiter::default();
    let wide = RateLimit { max_weight: 1_000, ..WITHOUT_RETRY_AFTER };
    let fault = Fault::new(&NewFault::new(FaultKind::Throttled), time_at(0)).unwrap();
    for second in 1..=5 {
        let decision = record(&limiter, &wide, Some(&fault), second);
        let expected = u32::try_from(second).unwrap();
        assert!(
            matches!(decision, CallDecision::Served { throttled_calls, .. } if throttled_calls == expected),
            "{decision:?}"
        );
    }
    assert_eq!(call(&limiter, &wide, Some(&fault), 6), Some((None, false)));
}
