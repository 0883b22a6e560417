use super::*;

fn settings(synchronous_commit: &str, standby_names: &str) -> CommitSettings {
    CommitSettings { synchronous_commit: synchronous_commit.to_owned(), standby_names: standby_names.to_owned() }
}

#[test]
fn local_durability_needs_a_commit_that_waits_for_the_disk() {
    for synchronous_commit in ["on", "remote_apply", "remote_write", "local"] {
        assert_eq!(settings(synchronous_commit, "").violation(Durability::Local), None, "{synchronous_commit}");
    }
    assert!(settings("off", "").violation(Durability::Local).unwrap().contains("synchronous_commit"));
}

#[test]
fn remote_durability_needs_a_commit_that_waits_for_a_standby() {
    for synchronous_commit in ["on", "remote_apply"] {
        assert_eq!(settings(synchronous_commit, "one").violation(Durability::Remote), None);
        let violation = settings(synchronous_commit, " ").violation(Durability::Remote).unwrap();
        assert!(violation.contains("synchronous_standby_names"), "{violation}");
    }
    for synchronous_commit in ["remote_write", "local", "off"] {
        let violation = settings(synchronous_commit, "one").violation(Durability::Remote).unwrap();
        assert!(violation.contains(synchronous_commit), "{violation}");
    }
}

#[test]
fn remote_durability_needs_a_synchronous_standby() {
    let none = Standbys { connected: 0, synchronous: 0, hidden: 0 };
    assert!(none.violation().is_some());
    assert!(Standbys { connected: 2, ..none }.violation().is_some());
    assert_eq!(Standbys { connected: 2, synchronous: 1, ..none }.violation(), None);
    // The database user may not read the states of these standbys, so one of them may be synchronous.
    assert_eq!(Standbys { connected: 2, hidden: 2, ..none }.violation(), None);
}

#[test]
fn status_follows_the_checks_and_does_not_change_in_an_outage() {
    let status = DurabilityStatus::default();
    let is_ready = || status.component().ready;
    assert!(!is_ready());
    status.record(Ok(()));
    assert!(is_ready() && status.gauge.get() == 1);
    status.record(Err(DatabaseError::NotDurable("because".to_owned())));
    assert_eq!(status.component().detail.as_deref(), Some("because"));
    status.record(Err(DatabaseError::TimedOut));
    assert!(!is_ready() && status.gauge.get() == 0);
    status.record(Ok(()));
    status.record(Err(DatabaseError::TimedOut));
    assert!(is_ready() && status.gauge.get() == 1);
}

#[test]
fn values_of_the_setting_are_parsed() {
    for durability in [Durability::Local, Durability::Remote] {
        assert_eq!(durability.to_string().parse(), Ok(durability));
    }
    assert_eq!("both".parse::<Durability>(), Err(()));
}
