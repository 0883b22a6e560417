use super::*;

#[test]
fn the_defaults_are_those_of_the_type() {
    let mut env = Env::default();
    assert_eq!(Retention::read(&mut env), Retention::default());
    assert!(env.finish().is_ok());
}

#[test]
fn what_is_coarser_is_kept_as_long_at_least() {
    for (name, value, told) in [
        ("COURSE_MINUTE_DAYS", "1", "COURSE_RAW_DAYS, which is 2"),
        ("COURSE_HOUR_DAYS", "29", "COURSE_MINUTE_DAYS, which is 30"),
        ("COURSE_DAY_DAYS", "399", "COURSE_HOUR_DAYS, which is 400"),
        ("COURSE_RAW_DAYS", "0", "from 1 to 3660"),
        ("COURSE_RAW_DAYS", "many", "from 1 to 3660"),
    ] {
        let mut env = Env::from_pairs([(name, value)]);
        Retention::read(&mut env);
        let message = env.finish().unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(told), "{message}");
    }
}
