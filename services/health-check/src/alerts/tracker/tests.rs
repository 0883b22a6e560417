use super::*;
use crate::clock::tests::instants_at;

fn fault(rule: Rule, subject: &str, pending_secs: u64) -> Fault {
    let (subject, pending_period) = (subject.to_owned(), Duration::from_secs(pending_secs));
    Fault { rule, subject, service: None, summary: "a fault".to_owned(), pending_period }
}

fn disk_fault() -> Fault {
    fault(Rule::DiskNearlyFull, "host-1", 30)
}

/// Updates the alerts at this second. Returns the states of the alerts whose notifications are sent.
fn update(tracker: &mut AlertTracker, faults: &[Fault], secs: u64) -> Vec<AlertState> {
    tracker.update(faults.to_vec(), |_| None, instants_at(secs)).iter().map(|alert| alert.state).collect()
}

fn states(tracker: &AlertTracker) -> Vec<AlertState> {
    tracker.alerts().map(|alert| alert.state).collect()
}

#[test]
fn alert_fires_after_its_pending_period_and_is_resolved_after_the_fault_has_ended() {
    let mut tracker = AlertTracker::default();
    assert_eq!(update(&mut tracker, &[disk_fault()], 100), []);
    assert_eq!(update(&mut tracker, &[disk_fault()], 129), []);
    assert_eq!(states(&tracker), [AlertState::Pending]);
    assert_eq!(update(&mut tracker, &[disk_fault()], 130), [AlertState::Firing]);
    assert_eq!(update(&mut tracker, &[disk_fault()], 500), [], "an alert is notified once");
    assert_eq!(update(&mut tracker, &[], 501), []);
    assert_eq!(states(&tracker), [AlertState::Firing], "an alert fires until its fault has been absent for 10 s");
    assert_eq!(update(&mut tracker, &[], 511), [AlertState::Resolved]);
    let alert = tracker.alerts().next().unwrap();
    assert_eq!(alert.since, instants_at(100).wall);
    assert_eq!((alert.fired_at, alert.resolved_at), (Some(instants_at(130).wall), Some(instants_at(511).wall)));
    assert_eq!(update(&mut tracker, &[], 511 + 15 * 60), []);
    assert_eq!(states(&tracker), []);
}

#[test]
fn fault_that_is_shorter_than_its_pending_period_sends_no_notification() {
    let mut tracker = AlertTracker::default();
    for minute in 0..10 {
        assert_eq!(update(&mut tracker, &[disk_fault()], minute * 60), []);
        assert_eq!(update(&mut tracker, &[disk_fault()], minute * 60 + 29), []);
        assert_eq!(update(&mut tracker, &[], minute * 60 + 30), []);
        assert_eq!(states(&tracker), []);
    }
}

#[test]
fn intermittent_fault_is_one_alert() {
    let mut tracker = AlertTracker::default();
    update(&mut tracker, &[disk_fault()], 0);
    assert_eq!(update(&mut tracker, &[disk_fault()], 30), [AlertState::Firing]);
    for secs in (31..200).step_by(2) {
        assert_eq!(update(&mut tracker, &[], secs), []);
        assert_eq!(update(&mut tracker, &[disk_fault()], secs + 1), []);
    }
    assert_eq!(states(&tracker), [AlertState::Firing]);
}

#[test]
fn faults_of_one_rule_in_two_subjects_are_two_alerts() {
    let mut tracker = AlertTracker::default();
    let faults = ["a", "b"].map(|subject| fault(Rule::ServiceMissing, subject, 0));
    assert_eq!(update(&mut tracker, &faults, 0), [AlertState::Firing; 2]);
    update(&mut tracker, &faults[..1], 1);
    assert_eq!(update(&mut tracker, &faults[..1], 11), [AlertState::Resolved]);
    assert_eq!(states(&tracker), [AlertState::Firing, AlertState::Resolved]);
}

#[test]
fn recurring_fault_fires_again_after_its_pending_period() {
    let mut tracker = AlertTracker::default();
    update(&mut tracker, &[disk_fault()], 0);
    update(&mut tracker, &[disk_fault()], 30);
    update(&mut tracker, &[], 40);
    assert_eq!(update(&mut tracker, &[], 50), [AlertState::Resolved]);
    assert_eq!(update(&mut tracker, &[disk_fault()], 60), []);
    assert_eq!(states(&tracker), [AlertState::Pending]);
    assert_eq!(update(&mut tracker, &[disk_fault()], 90), [AlertState::Firing]);
}

#[test]
fn silenced_alert_is_notified_if_it_still_fires_after_the_silence() {
    let notifications_in_silence = |tracker: &mut AlertTracker, faults: &[Fault], secs| {
        tracker.update(faults.to_vec(), |_| Some("s".to_owned()), instants_at(secs)).len()
    };
    let mut tracker = AlertTracker::default();
    assert_eq!(notifications_in_silence(&mut tracker, &[disk_fault()], 0), 0);
    assert_eq!(notifications_in_silence(&mut tracker, &[disk_fault()], 30), 0);
    let alert = tracker.alerts().next().unwrap();
    assert_eq!((alert.state, alert.silence.as_deref()), (AlertState::Firing, Some("s")));
    assert_eq!(update(&mut tracker, &[disk_fault()], 60), [AlertState::Firing]);
    // The resolution of a notified alert is sent even during a silence.
    notifications_in_silence(&mut tracker, &[], 70);
    assert_eq!(notifications_in_silence(&mut tracker, &[], 80), 1);

    // For a fault that begins and ends during a silence, no notification is sent.
    let mut tracker = AlertTracker::default();
    notifications_in_silence(&mut tracker, &[disk_fault()], 0);
    notifications_in_silence(&mut tracker, &[disk_fault()], 30);
    notifications_in_silence(&mut tracker, &[], 31);
    assert_eq!(notifications_in_silence(&mut tracker, &[], 41), 0);
    assert_eq!(update(&mut tracker, &[], 50), []);
}

#[test]
fn two_faults_of_one_alert_use_the_shorter_pending_period() {
    for pending_periods in [[10, 120], [120, 10]] {
        let mut tracker = AlertTracker::default();
        let faults = pending_periods.map(|pending_period| fault(Rule::ClockWrong, "clock", pending_period));
        assert_eq!(update(&mut tracker, &faults, 0), []);
        assert_eq!(update(&mut tracker, &faults, 10), [AlertState::Firing], "{pending_periods:?}");
    }
}
