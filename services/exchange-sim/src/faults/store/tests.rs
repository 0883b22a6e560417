use std::time::Duration;

use super::*;
use crate::faults::{FaultKind, NewFault, TimedFault, resolve_timeline};

const NAMES: &[&str] = &["coinbase", "kraken"];

fn fault(kind: FaultKind, now: Timestamp) -> Fault {
    Fault::new(&NewFault { seconds: Some(10), ..NewFault::new(kind) }, now).unwrap()
}

#[test]
fn fault_expires_or_is_ended() {
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

#[test]
fn timeline_runs_on_schedule_below_manual_faults() {
    let (faults, start) = (FaultStore::default(), Timestamp::now());
    let json = r#"[{"exchange":"kraken","at_seconds":10,"seconds":20,"fault":"frozen"},
            {"exchange":"kraken","at_seconds":20,"seconds":20,"fault":"lie_factor","factor":1.5}]"#;
    let timeline: Vec<TimedFault> = serde_json::from_str(json).unwrap();
    faults.set_timeline(resolve_timeline(&timeline, NAMES, start).unwrap());
    let time_at = |seconds| start.plus(Duration::from_secs(seconds));
    let kind = |seconds| faults.active("kraken", time_at(seconds)).map(|fault| fault.kind);
    let kinds = [0, 9, 10, 19, 20, 39, 40].map(kind);
    let (frozen, lie) = (Some(FaultKind::Frozen), Some(FaultKind::LieFactor));
    assert_eq!(kinds, [None, None, frozen, frozen, lie, lie, None]);

    faults.start_fault("kraken", fault(FaultKind::Down, time_at(12)));
    assert_eq!(kind(13), Some(FaultKind::Down));
    faults.end_fault("kraken", time_at(14));
    assert_eq!([15, 19, 20].map(kind), [None, None, lie]);
    assert_eq!(faults.timeline().len(), 2);
}
