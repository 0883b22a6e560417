use super::*;

fn generated() -> ChangeKey {
    ChangeKey::new(None)
}

fn chosen() -> ChangeKey {
    ChangeKey::new(Some("my-key".parse().unwrap()))
}

/// The conclusion from attempts with these effects, and the number of the attempt whose error is shown.
fn outcome(effects: &[Effect], key: &ChangeKey) -> (&'static str, usize) {
    let mut attempts = FailedAttempts::default();
    for (index, &effect) in effects.iter().enumerate() {
        let number = index + 1;
        let error = ClientError::new("", number.to_string(), "");
        let failure = attempts.add(FailedAttempt { effect, error }, key);
        assert_eq!(failure.is_some(), number == effects.len(), "{effects:?} after {number}");
        let Some(failure) = failure else { continue };
        let (name, error) = match failure {
            Failure::Refused(error) => ("refused", error),
            Failure::NoEffect(error) => ("no effect", error),
            Failure::NotSent(error) => ("not sent", error),
            Failure::Unknown(error) => ("unknown", error),
            Failure::UnknownEarlier(error) => ("unknown earlier", error),
        };
        return (name, error.to_string().trim().parse().unwrap());
    }
    panic!("the effects are empty");
}

#[test]
fn attempts_without_effect_and_with_a_generated_key_made_no_change() {
    use Effect::{None, NotSent};
    assert_eq!(outcome(&[NotSent; 3], &generated()), ("not sent", 3));
    assert_eq!(outcome(&[None; 3], &generated()), ("no effect", 1));
    assert_eq!(outcome(&[NotSent, None, NotSent], &generated()), ("no effect", 2));
}

#[test]
fn attempts_without_effect_and_with_a_chosen_key_leave_the_outcome_unknown() {
    use Effect::{None, NotSent};
    assert_eq!(outcome(&[NotSent; 3], &chosen()), ("unknown earlier", 3));
    assert_eq!(outcome(&[None; 3], &chosen()), ("unknown earlier", 1));
}

#[test]
fn refusal_is_final_unless_an_earlier_attempt_may_have_made_the_change() {
    use Effect::{None, NotSent, Refused, Unknown};
    for key in [generated(), chosen()] {
        assert_eq!(outcome(&[Refused], &key), ("refused", 1));
        assert_eq!(outcome(&[NotSent, None, Refused], &key), ("refused", 3));
        assert_eq!(outcome(&[Unknown, Refused], &key), ("unknown", 2));
    }
}

#[test]
fn attempt_with_unknown_effect_leaves_the_outcome_unknown() {
    use Effect::{None, NotSent, Unknown};
    for effects in [[Unknown, NotSent, NotSent], [None, Unknown, None], [NotSent, None, Unknown]] {
        for key in [generated(), chosen()] {
            assert_eq!(outcome(&effects, &key), ("unknown", 3), "{effects:?}");
        }
    }
}
