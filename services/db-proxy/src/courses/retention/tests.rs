use super::*;

#[test]
fn unset_settings_have_the_default_values() {
    let mut env = Env::default();
    assert_eq!(CourseRetentionSettings::from_env(&mut env), CourseRetentionSettings::default());
    assert!(env.finish().is_ok());
}

#[test]
fn coarser_resolution_must_be_kept_as_long_as_a_finer_one() {
    for (name, value, expected) in [
        ("COURSE_MINUTE_DAYS", "1", "COURSE_RAW_DAYS, which is 2"),
        ("COURSE_HOUR_DAYS", "29", "COURSE_MINUTE_DAYS, which is 30"),
        ("COURSE_DAY_DAYS", "399", "COURSE_HOUR_DAYS, which is 400"),
    ] {
        let mut env = Env::from_pairs([(name, value)]);
        CourseRetentionSettings::from_env(&mut env);
        let message = env.finish().unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(expected), "{message}");
    }
}

#[test]
fn number_of_days_outside_its_range_is_an_error() {
    for value in ["0", "3661", "many"] {
        let mut env = Env::from_pairs([("COURSE_RAW_DAYS", value)]);
        CourseRetentionSettings::from_env(&mut env);
        let message = env.finish().unwrap_err().to_string();
        assert!(message.contains("COURSE_RAW_DAYS") && message.contains("from 1 to 3660"), "{message}");
    }
}

#[test]
fn candles_of_a_day_are_kept_forever_unless_a_limit_is_set() {
    let read = |days| CourseRetentionSettings::from_env(&mut Env::from_pairs([("COURSE_DAY_DAYS", days)])).days;
    assert_eq!((read("0"), read("400")), (None, Some(DAY * 400)));
}

#[test]
fn coarsest_limited_resolution_is_kept_longest() {
    let longest = |days| CourseRetentionSettings::from_env(&mut Env::from_pairs([("COURSE_DAY_DAYS", days)])).longest();
    assert_eq!((longest("0"), longest("500")), (DAY * 400, DAY * 500));
}
