use super::*;

#[tokio::test(start_paused = true)]
async fn waits_grow_to_a_maximum_until_the_backoff_is_reset() {
    let (mut limiter, now) = (ReconnectLimiter::new(), Instant::now());
    assert_eq!(limiter.next_attempt(now), now);
    let mut waits = Vec::new();
    for _ in 0..10 {
        limiter.record_attempt(now);
        limiter.record_failure(now);
        waits.push(limiter.next_attempt(now) - now);
    }
    let mut least = FIRST_BACKOFF;
    for wait in waits {
        assert!(least <= wait && wait <= least * 2, "the wait {wait:?} is not between {least:?} and its double");
        least = (least * 2).min(MAX_BACKOFF);
    }
    limiter.reset_backoff();
    limiter.record_failure(now);
    assert!(limiter.next_attempt(now) - now <= FIRST_BACKOFF * 2);
}

#[tokio::test(start_paused = true)]
async fn attempts_in_a_window_are_limited() {
    let (mut limiter, start) = (ReconnectLimiter::new(), Instant::now());
    for second in 0..MAX_CONNECTS as u64 {
        let now = start + Duration::from_secs(second);
        assert_eq!(limiter.next_attempt(now), now);
        limiter.record_attempt(now);
    }
    let now = start + Duration::from_secs(60);
    assert_eq!(limiter.next_attempt(now), start + WINDOW);
    let later = start + WINDOW;
    assert_eq!(limiter.next_attempt(later), later);
}
