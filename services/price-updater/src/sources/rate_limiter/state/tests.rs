use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: RateLimits = RateLimits { max_requests: 3, window: SECOND, default_backoff: Duration::from_secs(60) };

#[test]
fn no_window_has_more_requests_than_the_limit() {
    let start = Instant::now();
    let mut state = LimiterState::new(LIMITS);
    let mut sent = Vec::new();
    for step in 0..1000 {
        let now = start + Duration::from_millis(step * 37);
        if state.try_acquire(now).is_ok() {
            sent.push(now);
        }
    }
    assert!(sent.len() > 80, "{}", sent.len());
    assert!(sent.windows(4).all(|four| four[3] - four[0] >= SECOND));
}

#[test]
fn exhausted_limiter_returns_time_until_next_request() {
    let (now, mut state) = (Instant::now(), LimiterState::new(LIMITS));
    for left in [3, 2, 1] {
        assert_eq!(state.available(now), left);
        state.try_acquire(now).unwrap();
    }
    let wait = state.try_acquire(now + SECOND / 4).unwrap_err();
    assert_eq!(wait, SECOND * 3 / 4);
    assert!(state.try_acquire(now + SECOND / 4 + wait).is_ok());
}

#[test]
fn backoff_lasts_as_requested_and_is_never_shortened() {
    let (now, mut state) = (Instant::now(), LimiterState::new(LIMITS));
    assert_eq!(state.back_off(now, Some(SECOND * 90)), SECOND * 90);
    assert_eq!(state.back_off(now, Some(SECOND)), SECOND * 90);
    assert_eq!(state.back_off(now, None), SECOND * 90);
    assert_eq!((state.available(now), state.try_acquire(now)), (0, Err(SECOND * 90)));
    assert_eq!(state.try_acquire(now + SECOND * 89), Err(SECOND));
    assert_eq!(state.try_acquire(now + SECOND * 90), Ok(()));
    assert_eq!(state.back_off(now + SECOND * 90, Some(Duration::MAX)), MAX_BACKOFF);
}

#[test]
fn default_backoff_doubles_until_success() {
    let (mut now, mut state) = (Instant::now(), LimiterState::new(LIMITS));
    let mut back_off = |state: &mut LimiterState| {
        let wait = state.back_off(now, None);
        now += wait;
        wait.as_secs()
    };
    assert_eq!([(); 8].map(|()| back_off(&mut state)), [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    state.record_success();
    assert_eq!(back_off(&mut state), 60);
}
