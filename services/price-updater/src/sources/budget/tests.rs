use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: RateLimits = RateLimits { max_requests: 3, window: SECOND, default_backoff: Duration::from_secs(60) };

#[test]
fn no_window_has_more_requests_than_are_permitted() {
    let start = Instant::now();
    let mut budget = Budget::new(LIMITS);
    let mut sent = Vec::new();
    for step in 0..1000 {
        let now = start + Duration::from_millis(step * 37);
        if budget.take(now).is_ok() {
            sent.push(now);
        }
    }
    assert!(sent.len() > 80, "{}", sent.len());
    assert!(sent.windows(4).all(|four| four[3] - four[0] >= SECOND));
}

#[test]
fn who_has_none_left_is_told_when_there_is_one_again() {
    let (now, mut budget) = (Instant::now(), Budget::new(LIMITS));
    for left in [3, 2, 1] {
        assert_eq!(budget.left(now), left);
        budget.take(now).unwrap();
    }
    let wait = budget.take(now + SECOND / 4).unwrap_err();
    assert_eq!(wait, SECOND * 3 / 4);
    assert!(budget.take(now + SECOND / 4 + wait).is_ok());
}

#[test]
fn a_pause_is_as_long_as_it_was_wanted_and_never_gets_shorter() {
    let (now, mut budget) = (Instant::now(), Budget::new(LIMITS));
    assert_eq!(budget.pause(now, Some(SECOND * 90)), SECOND * 90);
    assert_eq!(budget.pause(now, Some(SECOND)), SECOND * 90);
    assert_eq!(budget.pause(now, None), SECOND * 90);
    assert_eq!((budget.left(now), budget.take(now)), (0, Err(SECOND * 90)));
    assert_eq!(budget.take(now + SECOND * 89), Err(SECOND));
    assert_eq!(budget.take(now + SECOND * 90), Ok(()));
    assert_eq!(budget.pause(now + SECOND * 90, Some(Duration::MAX)), MAX_PAUSE);
}

#[test]
fn a_pause_that_has_to_be_guessed_doubles_until_there_is_an_answer() {
    let (mut now, mut budget) = (Instant::now(), Budget::new(LIMITS));
    let mut guess = |budget: &mut Budget| {
        let wait = budget.pause(now, None);
        now += wait;
        wait.as_secs()
    };
    assert_eq!([(); 8].map(|()| guess(&mut budget)), [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    budget.answered();
    assert_eq!(guess(&mut budget), 60);
}
