use super::*;

#[tokio::test(start_paused = true)]
async fn waits_grow_to_a_limit_and_begin_anew_after_a_good_connection() {
    let (mut pace, now) = (Pace::new(), Instant::now());
    assert_eq!(pace.next(now), now);
    let mut waits = Vec::new();
    for _ in 0..10 {
        pace.begin(now);
        pace.failed(now);
        waits.push(pace.next(now) - now);
    }
    let mut least = FIRST_BACKOFF;
    for wait in waits {
        assert!(least <= wait && wait <= least * 2, "{wait:?} after {least:?}");
        least = (least * 2).min(MAX_BACKOFF);
    }
    pace.worked();
    pace.failed(now);
    assert!(pace.next(now) - now <= FIRST_BACKOFF * 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_are_made_in_a_window() {
    let (mut pace, start) = (Pace::new(), Instant::now());
    for second in 0..MAX_CONNECTS as u64 {
        let now = start + Duration::from_secs(second);
        assert_eq!(pace.next(now), now);
        pace.begin(now);
    }
    let now = start + Duration::from_secs(60);
    assert_eq!(pace.next(now), start + WINDOW);
    let later = start + WINDOW;
    assert_eq!(pace.next(later), later);
}
