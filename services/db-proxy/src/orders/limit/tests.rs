use super::*;

fn sats(satoshi: i64) -> Sats {
    Sats::new(satoshi).unwrap()
}

#[test]
fn setting_that_differs_from_the_stored_limit_is_logged_once() {
    let log = LimitLog::new(Some(sats(7)));
    assert_eq!(log.compare(Some(sats(9))), Observation::SettingHasNoEffect { setting: sats(7), limit: sats(9) });
    assert_eq!(log.compare(Some(sats(9))), Observation::Unchanged);
}

#[test]
fn first_stored_limit_is_not_logged_unless_it_differs_from_the_setting() {
    assert_eq!(LimitLog::new(None).compare(Some(sats(9))), Observation::Unchanged);
    assert_eq!(LimitLog::new(Some(sats(9))).compare(Some(sats(9))), Observation::Unchanged);
    assert_eq!(LimitLog::new(Some(sats(9))).compare(None), Observation::Unchanged);
}

#[test]
fn every_change_of_the_stored_limit_is_logged() {
    let log = LimitLog::new(None);
    assert_eq!(log.compare(None), Observation::Unchanged);
    assert_eq!(log.compare(Some(sats(1))), Observation::Changed { old: None, limit: sats(1) });
    assert_eq!(log.compare(Some(sats(2))), Observation::Changed { old: Some(sats(1)), limit: sats(2) });
    assert_eq!(log.compare(Some(sats(2))), Observation::Unchanged);
}
