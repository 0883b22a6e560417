use super::*;

const PRIMARY: ServerState =
    ServerState { in_recovery: false, read_only: false, timeline: Some(Timeline { system: 7, number: 3 }) };
const READ_ONLY: ServerState = ServerState { read_only: true, ..PRIMARY };
const STANDBY: ServerState = ServerState { in_recovery: true, read_only: true, timeline: None };

fn primary() -> Arc<Primary> {
    Primary::new(vec!["postgres://nowhere/db".parse().unwrap()])
}

fn on_timeline(system: i64, number: i64) -> ServerState {
    ServerState { timeline: Some(Timeline { system, number }), ..PRIMARY }
}

#[test]
fn standby_is_never_used() {
    for access in [Access::Read, Access::Write] {
        assert_eq!(primary().check_state(&STANDBY, access), Err(NotPrimary::Standby));
    }
}

#[test]
fn read_only_primary_is_used_only_for_reads() {
    assert_eq!(primary().check_state(&READ_ONLY, Access::Read), Ok(()));
    assert_eq!(primary().check_state(&READ_ONLY, Access::Write), Err(NotPrimary::ReadOnly));
}

#[test]
fn server_with_an_earlier_timeline_than_an_acknowledged_commit_is_not_used() {
    let primary = primary();
    primary.confirm(Timeline { system: 7, number: 4 });
    for access in [Access::Read, Access::Write] {
        assert_eq!(primary.check_state(&on_timeline(7, 3), access), Err(NotPrimary::Superseded));
        assert_eq!(primary.check_state(&on_timeline(7, 4), access), Ok(()));
        assert_eq!(primary.check_state(&on_timeline(7, 5), access), Ok(()));
    }
    // A server that does not report its timeline.
    assert_eq!(primary.check_state(&ServerState { timeline: None, ..PRIMARY }, Access::Write), Ok(()));
    // An older confirmation that arrives late.
    primary.confirm(Timeline { system: 7, number: 3 });
    assert_eq!(primary.check_state(&on_timeline(7, 3), Access::Read), Err(NotPrimary::Superseded));
}

#[test]
fn timeline_without_an_acknowledged_commit_does_not_exclude_an_earlier_timeline() {
    let primary = primary();
    assert_eq!(primary.check_state(&on_timeline(7, 5), Access::Write), Ok(()));
    assert_eq!(primary.check_state(&on_timeline(7, 4), Access::Write), Ok(()));
}

#[test]
fn timelines_of_different_databases_are_not_compared() {
    let primary = primary();
    primary.confirm(Timeline { system: 7, number: 9 });
    assert_eq!(primary.check_state(&on_timeline(8, 1), Access::Write), Ok(()));
    primary.confirm(Timeline { system: 8, number: 1 });
    assert_eq!(primary.check_state(&on_timeline(8, 1), Access::Read), Ok(()));
}

#[test]
fn connections_opened_before_a_failure_are_not_trusted() {
    let primary = primary();
    assert!(primary.is_trusted(Duration::from_secs(60)));
    primary.distrust_connections();
    assert!(!primary.is_trusted(Duration::from_secs(60)));
    assert!(primary.is_trusted(Duration::ZERO));
}

#[test]
fn rejection_is_cleared_when_a_server_is_accepted() {
    let primary = primary();
    primary.record_check(Err(NotPrimary::Standby));
    assert_eq!(primary.rejection(), Some(NotPrimary::Standby));
    primary.record_check(Ok(()));
    assert_eq!(primary.rejection(), None);
}
