use std::time::Duration;

use super::*;

/// The results of [`LineLimit::admit`] for `events` events, each at the time `after` after the start.
fn admitted(limit: &LineLimit, after: Duration, events: usize) -> Vec<Option<u64>> {
    (0..events).map(|_| limit.admit(limit.start + after)).collect()
}

#[test]
fn lines_above_the_limit_of_a_second_are_omitted_and_counted() {
    let limit = LineLimit::new(Live::new(2));
    let second = Duration::from_secs;
    assert_eq!(admitted(&limit, second(0), 4), [Some(0), Some(0), None, None]);
    assert_eq!(admitted(&limit, Duration::from_millis(999), 1), [None]);
    assert_eq!(admitted(&limit, second(1), 3), [Some(3), Some(0), None]);
    // An event of an older second counts in the newest second.
    assert_eq!(admitted(&limit, second(0), 1), [None]);
    assert_eq!(admitted(&limit, second(100_000), 1), [Some(2)]);
}

#[test]
fn limit_of_zero_permits_no_line() {
    let limit = LineLimit::new(Live::new(0));
    assert!((0..3).all(|secs| limit.admit(limit.start + Duration::from_secs(secs)).is_none()));
}

#[test]
fn every_event_of_concurrent_threads_is_logged_or_counted() {
    const EVENTS: u64 = 20_000;
    let limit = LineLimit::new(Live::new(10));
    let count = || (0..EVENTS).filter_map(|_| limit.admit(limit.start)).map(|omitted| omitted + 1).sum::<u64>();
    let counted: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let rest = limit.admit(limit.start + Duration::from_secs(1)).unwrap();
    assert_eq!(counted + rest, 4 * EVENTS);
}

#[test]
fn new_limit_applies_to_the_current_second() {
    let per_second = Live::new(1);
    let limit = LineLimit::new(per_second.clone()).times(2);
    assert_eq!(admitted(&limit, Duration::ZERO, 3), [Some(0), Some(0), None]);
    per_second.set(2);
    assert_eq!(admitted(&limit, Duration::ZERO, 3), [Some(1), Some(0), None]);
    per_second.set(0);
    assert_eq!(admitted(&limit, Duration::from_secs(1), 1), [None]);
}
