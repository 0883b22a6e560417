use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const POSTGRESQL: ClockRules = ClockRules { database_has_clock: true, max_order_ahead: MAX_CLOCK_SKEW };
const SQLITE: ClockRules = ClockRules { database_has_clock: false, ..POSTGRESQL };
const EPOCH: Timestamp = match Timestamp::from_micros(0) {
    Ok(epoch) => epoch,
    Err(_) => panic!("the epoch is a valid time"),
};

fn start() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// The clocks of a machine after `elapsed`. The wall clock is right.
fn reading(elapsed: Duration) -> ClockReading {
    ClockReading { wall: start().plus(elapsed), monotonic: HOUR + elapsed }
}

/// How far the wall clock of a machine is off.
#[derive(Debug, Clone, Copy)]
enum Off {
    Ahead(Duration),
    Behind(Duration),
}

fn wrong_reading(elapsed: Duration, off: Off) -> ClockReading {
    let ClockReading { wall, monotonic } = reading(elapsed);
    let wall = match off {
        Off::Ahead(by) => wall.plus(by),
        Off::Behind(by) => wall.minus(by),
    };
    ClockReading { wall, monotonic }
}

fn evidence(sent: ClockReading, database: Option<Timestamp>) -> ClockEvidence {
    ClockEvidence { sent, database, newest_order: EPOCH }
}

fn check_on_sqlite(state: &mut ClockState, reading: ClockReading) -> Result<Timestamp, ClockFault> {
    state.verify(SQLITE, evidence(reading, None), reading)
}

#[test]
fn clock_that_differs_from_the_database_by_at_most_the_skew_is_accepted() {
    let skew = MAX_CLOCK_SKEW;
    let micro = Duration::from_micros(1);
    let now = reading(SECOND);
    for (database, fault) in [
        (now.wall, None),
        (now.wall.minus(skew), None),
        (now.wall.plus(skew), None),
        (now.wall.minus(skew + micro), Some(ClockFault::AheadOfDatabase(skew + micro))),
        (now.wall.plus(skew + micro), Some(ClockFault::BehindDatabase(skew + micro))),
        (now.wall.minus(HOUR), Some(ClockFault::AheadOfDatabase(HOUR))),
    ] {
        let mut state = ClockState::new(POSTGRESQL, reading(Duration::ZERO));
        let result = state.verify(POSTGRESQL, evidence(now, Some(database)), now);
        assert_eq!(result, fault.map_or(Ok(database), Err));
        assert_eq!(state.fault(), fault);
    }
}

#[test]
fn offset_is_positive_if_the_clock_is_ahead_of_the_clock_of_the_database() {
    let now = reading(SECOND);
    let by = Duration::from_millis(250);
    for (database, offset) in [(now.wall, 0), (now.wall.minus(by), 250), (now.wall.plus(by), -250)] {
        let mut state = ClockState::new(POSTGRESQL, reading(Duration::ZERO));
        state.verify(POSTGRESQL, evidence(now, Some(database)), now).unwrap();
        assert_eq!(state.offset_millis(), offset);
    }
}

#[test]
fn slow_statement_is_not_a_clock_fault() {
    let (sent, received) = (reading(SECOND), reading(SECOND * 31));
    for database in [sent.wall, received.wall] {
        let mut state = ClockState::new(POSTGRESQL, sent);
        assert_eq!(state.verify(POSTGRESQL, evidence(sent, Some(database)), received), Ok(database));
    }
    // The wall clock was set while the statement ran.
    let received = wrong_reading(SECOND * 31, Off::Ahead(HOUR));
    let mut state = ClockState::new(POSTGRESQL, sent);
    let result = state.verify(POSTGRESQL, evidence(sent, Some(sent.wall)), received);
    assert_eq!(result, Err(ClockFault::AheadOfDatabase(HOUR)));
}

#[test]
fn clock_is_accepted_as_soon_as_it_agrees_with_the_database() {
    let mut state = ClockState::new(POSTGRESQL, reading(Duration::ZERO));
    for off in [Off::Ahead(HOUR), Off::Behind(HOUR * 24)] {
        let (wrong, right) = (wrong_reading(SECOND, off), reading(SECOND));
        assert!(state.verify(POSTGRESQL, evidence(wrong, Some(right.wall)), wrong).is_err());
        assert_eq!(state.verify(POSTGRESQL, evidence(right, Some(right.wall)), right), Ok(right.wall));
    }
}

#[test]
fn clock_behind_the_newest_order_is_a_fault_on_both_engines() {
    let now = reading(SECOND);
    for (rules, database) in [(POSTGRESQL, Some(now.wall)), (SQLITE, None)] {
        let check = |rules, ahead| {
            let newest_order = now.wall.plus(ahead);
            let mut state = ClockState::new(rules, reading(Duration::ZERO));
            state.verify(rules, ClockEvidence { newest_order, ..evidence(now, database) }, now)
        };
        assert_eq!(check(rules, MAX_CLOCK_SKEW), Ok(now.wall));
        assert_eq!(check(rules, HOUR), Err(ClockFault::BehindNewestOrder(HOUR)));
        // An operator can permit this difference if orders were accepted with a wrong clock.
        assert_eq!(check(ClockRules { max_order_ahead: HOUR, ..rules }, HOUR), Ok(now.wall));
    }
}

#[test]
fn change_of_the_clock_is_a_fault_until_it_is_undone_or_the_settling_time_ends() {
    for (off, fault) in [
        (Off::Ahead(HOUR), ClockFault::SetForward(HOUR)),
        (Off::Ahead(HOUR * 24), ClockFault::SetForward(HOUR * 24)),
        (Off::Behind(HOUR), ClockFault::SetBack(HOUR)),
    ] {
        let mut state = ClockState::new(SQLITE, reading(Duration::ZERO));
        assert!(check_on_sqlite(&mut state, reading(SECOND)).is_ok());
        assert_eq!(check_on_sqlite(&mut state, wrong_reading(SECOND * 2, off)), Err(fault));
        assert!(check_on_sqlite(&mut state, reading(SECOND * 3)).is_ok(), "a corrected clock was refused");
        assert_eq!(check_on_sqlite(&mut state, wrong_reading(SECOND * 4, off)), Err(fault));
        let last = SECOND * 4 + SETTLING_TIME;
        let just_before = SECOND * 3 + SETTLING_TIME;
        assert_eq!(check_on_sqlite(&mut state, wrong_reading(just_before, off)), Err(fault));
        let settled = wrong_reading(last, off);
        assert_eq!(check_on_sqlite(&mut state, settled), Ok(settled.wall));
        assert!(check_on_sqlite(&mut state, wrong_reading(last + HOUR, off)).is_ok());
    }
}

#[test]
fn corrections_within_the_skew_do_not_add_up_to_a_fault() {
    let mut state = ClockState::new(SQLITE, reading(Duration::ZERO));
    for n in 1..100 {
        let off = Off::Ahead(MAX_CLOCK_SKEW * n);
        assert!(check_on_sqlite(&mut state, wrong_reading(HOUR * n, off)).is_ok());
    }
}

#[test]
fn database_time_does_not_follow_the_wall_clock_of_the_machine() {
    let mut state = ClockState::new(POSTGRESQL, reading(Duration::ZERO));
    let first = state.database_time(POSTGRESQL, reading(Duration::ZERO));
    assert_eq!(state.fault(), Some(ClockFault::Unchecked));
    assert_eq!(first, start().minus(MAX_CLOCK_SKEW), "before the first check, the skew is subtracted");
    let database = reading(SECOND).wall;
    state.verify(POSTGRESQL, evidence(reading(SECOND), Some(database)), reading(SECOND)).unwrap();
    for off in [Off::Ahead(HOUR), Off::Behind(HOUR)] {
        assert_eq!(state.database_time(POSTGRESQL, wrong_reading(SECOND * 3, off)), database.plus(SECOND * 2));
    }
    // SQLite has no clock of its own.
    let state = ClockState::new(SQLITE, reading(Duration::ZERO));
    assert_eq!(state.fault(), None);
    assert_eq!(state.database_time(SQLITE, reading(SECOND)), reading(SECOND).wall);
}

#[test]
fn write_dated_by_the_machine_is_refused_immediately_after_its_clock_was_set() {
    for (off, fault) in
        [(Off::Ahead(HOUR), ClockFault::SetForward(HOUR)), (Off::Behind(HOUR), ClockFault::SetBack(HOUR))]
    {
        let mut state = ClockState::new(SQLITE, reading(Duration::ZERO));
        assert!(check_on_sqlite(&mut state, reading(SECOND)).is_ok());
        // No regular check has run since the clock was set.
        assert_eq!(state.write_time(SQLITE, wrong_reading(SECOND * 2, off)), Err(fault));
        assert_eq!(state.fault(), Some(fault));
        assert_eq!(state.write_time(SQLITE, wrong_reading(SECOND * 3, off)), Err(fault));
        assert!(check_on_sqlite(&mut state, reading(SECOND * 4)).is_ok(), "a corrected clock was refused");
        assert_eq!(state.write_time(SQLITE, reading(SECOND * 5)), Ok(reading(SECOND * 5).wall));
    }
}

#[test]
fn write_dated_by_the_database_depends_only_on_the_last_check() {
    let mut state = ClockState::new(POSTGRESQL, reading(Duration::ZERO));
    assert_eq!(state.write_time(POSTGRESQL, reading(SECOND)), Err(ClockFault::Unchecked));
    let database = reading(SECOND).wall;
    state.verify(POSTGRESQL, evidence(reading(SECOND), Some(database)), reading(SECOND)).unwrap();
    let set = wrong_reading(SECOND * 2, Off::Ahead(HOUR));
    assert_eq!(state.write_time(POSTGRESQL, set), Ok(database.plus(SECOND)));
}

#[test]
fn only_changes_between_right_and_wrong_are_reported() {
    let (unchecked, wrong) = (Some(ClockFault::Unchecked), ClockFault::AheadOfDatabase(HOUR));
    for (before, after, expected) in [
        (unchecked, unchecked, None),
        (unchecked, None, None),
        (unchecked, Some(wrong), Some(ClockChange::Wrong(wrong))),
        (None, Some(wrong), Some(ClockChange::Wrong(wrong))),
        (Some(wrong), Some(ClockFault::BehindDatabase(HOUR)), None),
        (Some(wrong), None, Some(ClockChange::Accepted)),
    ] {
        assert_eq!(ClockChange::of(before, after), expected, "{before:?} {after:?}");
    }
}
