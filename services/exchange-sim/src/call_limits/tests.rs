use super::*;
use crate::faults::NewFault;

const GROWING: CallLimit = CallLimit { weight: 4, window: 60, penalty: Penalty::Growing };
const SILENT: CallLimit = CallLimit { weight: 1, window: 10, penalty: Penalty::Silent(60) };

fn at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:00Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

/// What is announced to a call, where it is refused.
fn call(calls: &CallLimiter, limit: &CallLimit, fault: Option<&Fault>, second: u64) -> Option<(Option<u64>, bool)> {
    match calls.record("an exchange", (limit, true), 2, fault, at(second)) {
        CallDecision::Served { .. } => None,
        CallDecision::Refused(refusal) => Some((refusal.retry_after, refusal.banned)),
    }
}

fn counted(calls: &CallLimiter) -> ExchangeCalls {
    calls.counts(&["an exchange"], at(0)).remove(0)
}

#[test]
fn over_the_limit_is_refused_and_who_goes_on_is_banned_for_longer_and_longer() {
    let calls = CallLimiter::default();
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
    let calls = CallLimiter::default();
    let call = |second| call(&calls, &GROWING, None, second);
    assert_eq!([0, 1, 2, 60].map(|second| call(second).is_some()), [false, false, true, false]);
    let counted = counted(&calls);
    assert_eq!((counted.calls, counted.refused, counted.announced), (4, 1, 1));
    assert_eq!((counted.inside_announced_ban, counted.inside_silent_block), (0, 0));
}

#[test]
fn a_silent_block_is_not_announced_and_starts_anew_with_each_call() {
    let calls = CallLimiter::default();
    let call = |second| call(&calls, &SILENT, None, second);
    assert_eq!([0, 50].map(call), [Some((None, false)), Some((None, true))]);
    assert_eq!(call(109), Some((None, true)));
    assert_eq!((counted(&calls).inside_announced_ban, counted(&calls).inside_silent_block), (0, 2));
}

#[test]
fn faults_refuse_whatever_the_limit() {
    let wide = CallLimit { weight: 1_000, ..SILENT };
    let fault = |new: NewFault| Fault::new(&NewFault { seconds: Some(30), ..new }, at(0)).unwrap();
    let of = |kind| fault(NewFault::of(kind));
    let first_ban = |fault: &Fault| call(&CallLimiter::default(), &wide, Some(fault), 0);
    assert_eq!(first_ban(&of(FaultKind::RateLimited)), Some((None, false)));
    assert_eq!(first_ban(&of(FaultKind::RateLimitedSilently)), Some((None, false)));
    assert_eq!(first_ban(&of(FaultKind::IpBanned)), Some((Some(120), true)));
    let told = fault(NewFault { retry_after: Some(7), ..NewFault::of(FaultKind::RateLimited) });
    let calls = CallLimiter::default();
    assert_eq!(call(&calls, &wide, Some(&told), 0), Some((Some(7), false)));
    // The ban outlives nothing but itself, whatever the fault does.
    assert_eq!([3, 7].map(|second| call(&calls, &wide, None, second)), [Some((Some(4), true)), None]);
    calls.lift_ban("an exchange");
    assert_eq!(counted(&calls).inside_announced_ban, 1);
}

#[test]
fn a_throttle_counts_who_waits_and_then_refuses() {
    let calls = CallLimiter::default();
    let wide = CallLimit { weight: 1_000, ..SILENT };
    let fault = Fault::new(&NewFault::of(FaultKind::Throttled), at(0)).unwrap();
    for second in 1..=5 {
        let verdict = calls.record("an exchange", (&wide, true), 1, Some(&fault), at(second));
        let queued = u32::try_from(second).unwrap();
        assert!(matches!(verdict, CallDecision::Served { queued: now, .. } if now == queued), "{verdict:?}");
    }
    assert_eq!(call(&calls, &wide, Some(&fault), 6), Some((None, false)));
}
