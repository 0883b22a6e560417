use super::*;

/// The moment `secs` seconds after a fixed start.
pub(crate) fn instants_at(secs: u64) -> Instants {
    let monotonic = Duration::from_secs(secs);
    let start: Timestamp = "2026-01-02T03:00:00Z".parse().unwrap();
    Instants { wall: start.plus(monotonic), monotonic }
}

#[test]
fn durations_are_measured_on_the_monotonic_clock() {
    let earlier = instants_at(10);
    let clock_set_back = Instants { wall: instants_at(0).wall, ..instants_at(15) };
    assert_eq!(clock_set_back.since(earlier), Duration::from_secs(5));
}
