use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn time() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// The database time of an instance whose clock shows `wall`, and this clock.
fn database_time_and_clock(wall: Timestamp) -> (DatabaseTime, Clock) {
    let clock = Clock::starting_at(wall);
    (DatabaseTime::new(clock), clock)
}

#[tokio::test(start_paused = true)]
async fn clock_of_the_machine_does_not_matter_after_the_first_response() {
    for wall in [time(), time().minus(MINUTE), time().plus(HOUR)] {
        let (database_time, clock) = database_time_and_clock(wall);
        assert_eq!(database_time.now(), wall.minus(MAX_CLOCK_SKEW), "before the first response");
        database_time.record(time());
        assert_eq!(database_time.now(), time());
        for set_to in [wall.plus(HOUR), wall.minus(HOUR)] {
            clock.set(set_to);
            assert_eq!(database_time.now(), time());
        }
        tokio::time::advance(SECOND).await;
        // The elapsed second is reduced by 1 ms for the drift of the clocks.
        let now = database_time.now();
        assert!(time().plus(Duration::from_millis(998)) < now && now <= time().plus(SECOND), "{now}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_response_does_not_move_the_time_back() {
    let (database_time, _) = database_time_and_clock(time());
    database_time.record(time().plus(SECOND));
    // A slower response contains an earlier time.
    database_time.record(time());
    assert_eq!(database_time.now(), time().plus(SECOND));
    database_time.record(time().plus(SECOND * 2));
    assert_eq!(database_time.now(), time().plus(SECOND * 2));
}

#[tokio::test(start_paused = true)]
async fn time_follows_the_clock_of_the_database_after_it_was_set() {
    let (database_time, _) = database_time_and_clock(time());
    // Each change exceeds `MAX_CLOCK_SKEW`, so its cause is not a slow response.
    for set_to in [time().plus(HOUR), time(), time().plus(HOUR * 24)] {
        database_time.record(set_to);
        assert_eq!(database_time.now(), set_to);
    }
}

#[tokio::test(start_paused = true)]
async fn elapsed_time_is_reduced_for_the_drift_of_two_clocks() {
    let (database_time, _) = database_time_and_clock(time());
    database_time.record(time());
    tokio::time::advance(HOUR).await;
    assert_eq!(database_time.now(), time().plus(HOUR).minus(HOUR / DRIFT_DIVISOR));
    tokio::time::advance(HOUR * 10).await;
    assert_eq!(database_time.now(), time().plus(HOUR * 11).minus(MAX_CLOCK_SKEW));
}
