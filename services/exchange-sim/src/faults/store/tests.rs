use std::time::Duration;

use super::*;
use crate::faults::{FaultKind, NewFault, TimedFault, resolve_timeline};

const NAMES: &[&str] = &["coinbase", "kraken"];

fn fault(kind: FaultKind, now: Timestamp) -> Fault {
    Fault::new(&NewFault { seconds: Some(10), ..NewFault::new(kind) }, now).unwrap()
}

#[test]
fn fault_ends_when_it_expires_or_on_request() {
    let (faults, now) = (FaultStore::default(), Timestamp::now());
    let down = fault(FaultKind::Down, now);
    faults.start_fault("kraken", down.clone());
    assert_eq!(faults.active("kraken", now), Some(down.clone()));
    assert_eq!(faults.active("coinbase", now), None);
    assert_eq!(faults.active_faults(NAMES, now).len(), 1);
    assert_eq!(faults.active("kraken", down.until), None);
    faults.end_fault("kraken", now);
    assert!(faults.active_faults(NAMES, now).is_empty());
}

/// A store with a timeline that starts at `start`: `frozen` from second 10 to 30, `lie_factor` from second 20 to 40.
fn store_with_timeline(start: Timestamp) -> FaultStore {
    let json = r#"[{"exchange":"kraken","at_seconds":10,"seconds":20,"fault":"frozen"},
            {"exchange":"kraken","at_seconds":20,"seconds":20,"fault":"lie_factor","factor":1.5}]"#;
    let timeline: Vec<TimedFault> = serde_json::from_str(json).unwrap();
    let faults = FaultStore::default();
    faults.set_timeline(resolve_timeline(&timeline, NAMES, start).unwrap());
    faults
}

const FROZEN: Option<FaultKind> = Some(FaultKind::Frozen);
const LIE_FACTOR: Option<FaultKind> = Some(FaultKind::LieFactor);

#[test]
fn latest_running_fault_of_the_timeline_is_active() {
    let start = Timestamp::now();
    let faults = store_with_timeline(start);
    let kind = |seconds| faults.active("kraken", start.plus(Duration::from_secs(seconds))).map(|fault| fault.kind);
    assert_eq!([0, 9, 10, 19, 20, 39, 40].map(kind), [None, None, FROZEN, FROZEN, LIE_FACTOR, LIE_FACTOR, None]);
}

#[test]
fn timeline_resumes_after_a_manual_fault() {
    let start = Timestamp::now();
    let faults = store_with_timeline(start);
    let time_at = |seconds| start.plus(Duration::from_secs(seconds));
    let kind = |seconds| faults.active("kraken", time_at(seconds)).map(|fault| fault.kind);
    faults.start_fault("kraken", fault(FaultKind::Down, time_at(5)));
    assert_eq!([12, 14, 15].map(kind), [Some(FaultKind::Down), Some(FaultKind::Down), FROZEN]);
}

#[test]
fn end_fault_ends_running_faults_and_keeps_later_faults() {
    let start = Timestamp::now();
    let faults = store_with_timeline(start);
    let time_at = |seconds| start.plus(Duration::from_secs(seconds));
    let kind = |seconds| faults.active("kraken", time_at(seconds)).map(|fault| fault.kind);
    faults.start_fault("kraken", fault(FaultKind::Down, time_at(12)));
    faults.end_fault("kraken", time_at(14));
    assert_eq!([15, 19, 20].map(kind), [None, None, LIE_FACTOR]);
    assert_eq!(faults.timeline().len(), 2);
}
