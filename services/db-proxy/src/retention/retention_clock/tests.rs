use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A machine and its retention clock, with one run each minute.
struct Machine {
    clock: RetentionClock,
    wall: Timestamp,
    monotonic: Duration,
    /// How far the clock of the database is ahead of the wall clock. `None` if the database has no clock.
    database_ahead: Option<Duration>,
}

impl Machine {
    fn started() -> Self {
        let (wall, monotonic) = ("2026-01-02T03:04:05Z".parse().unwrap(), HOUR);
        let clock = RetentionClock::new(ClockReading { wall, monotonic }, DAY);
        Self { clock, wall, monotonic, database_ahead: None }
    }

    /// A machine that has run for the quiet time.
    fn settled() -> Self {
        let mut machine = Self::started();
        machine.run(QUIET_TIME);
        machine
    }

    /// Runs for a time. Returns the result of the last run.
    fn run(&mut self, duration: Duration) -> Option<Timestamp> {
        let mut result = None;
        for _ in 0..duration.as_secs() / 60 {
            self.wall = self.wall.plus(MINUTE);
            self.monotonic += MINUTE;
            let reading = ClockReading { wall: self.wall, monotonic: self.monotonic };
            result = self.clock.time_of_run(reading, self.database_ahead.map(|ahead| self.wall.plus(ahead)));
        }
        result
    }
}

#[test]
fn nothing_is_deleted_just_after_the_start() {
    let mut machine = Machine::started();
    assert_eq!(machine.run(QUIET_TIME.saturating_sub(MINUTE)), None);
    assert_eq!(machine.run(MINUTE), Some(machine.wall));
}

#[test]
fn clock_set_forward_does_not_increase_the_age_of_rows() {
    let mut machine = Machine::settled();
    let newest_row = machine.wall;
    machine.wall = machine.wall.plus(DAY);
    assert_eq!(machine.run(QUIET_TIME), None, "the clock was set just now");
    for _ in 0..23 {
        let time = machine.run(HOUR).unwrap();
        assert!(time.minus(DAY) < newest_row, "the row is less than a day old");
    }
    // A day later, the row is a day old by every clock.
    assert_eq!(machine.run(HOUR), Some(machine.wall));
}

#[test]
fn clock_set_forward_and_back_changes_nothing_after_the_quiet_time() {
    let mut machine = Machine::settled();
    machine.wall = machine.wall.plus(DAY);
    assert_eq!(machine.run(MINUTE), None);
    machine.wall = machine.wall.minus(DAY);
    assert_eq!(machine.run(QUIET_TIME), None);
    assert_eq!(machine.run(MINUTE), Some(machine.wall));
}

#[test]
fn clock_set_back_does_not_delete_rows_early() {
    let mut machine = Machine::settled();
    machine.wall = machine.wall.minus(HOUR);
    assert_eq!(machine.run(QUIET_TIME), None);
    assert_eq!(machine.run(MINUTE), Some(machine.wall));
}

#[test]
fn ages_are_computed_by_the_clock_of_the_database_only_while_the_clocks_agree() {
    let mut machine = Machine::settled();
    machine.database_ahead = Some(MAX_CLOCK_SKEW);
    assert_eq!(machine.run(MINUTE), Some(machine.wall.plus(MAX_CLOCK_SKEW)));
    machine.database_ahead = Some(DAY);
    assert_eq!(machine.run(HOUR), None);
    machine.database_ahead = Some(Duration::ZERO);
    assert_eq!(machine.run(QUIET_TIME), None);
    assert_eq!(machine.run(MINUTE), Some(machine.wall));
}
