use super::*;
use crate::clock::tests::instants_at;

fn limit(remaining: &str) -> OrderLimitStatus {
    let sats = |text: &str| text.parse().unwrap();
    OrderLimitStatus { limit: sats("100"), remaining: sats(remaining), reserved: sats("0"), used: None }
}

#[test]
fn pace_is_unchanged_if_the_limit_is_lowered_below_its_used_part() {
    let sats = |text: &str| text.parse().unwrap();
    let used = |amount| OrderLimitStatus { used: Some(sats(amount)), ..limit("98") };
    let mut usage = LimitUsage::default();
    usage.record(&used("1"), instants_at(0));
    let lowered = OrderLimitStatus { limit: sats("0.5"), remaining: sats("0"), ..used("2") };
    let pace = usage.pace(&lowered, instants_at(600)).unwrap();
    assert_eq!((pace.used, pace.full_at), (sats("1"), Some(instants_at(600).wall)));
}

#[test]
fn time_at_which_the_limit_is_reached_follows_from_the_pace_of_the_last_hour() {
    let mut usage = LimitUsage::default();
    usage.record(&limit("100"), instants_at(0));
    assert_eq!(usage.pace(&limit("99"), instants_at(59)), None);
    assert_eq!(usage.pace(&limit("99"), instants_at(599)).map(|pace| pace.full_at), Some(None), "too short a period");
    // 1 BTC in ten minutes: the remaining 99 BTC last 990 minutes.
    let pace = usage.pace(&limit("99"), instants_at(600)).unwrap();
    assert_eq!((pace.used.to_string().as_str(), pace.over_secs), ("1.00000000", 600));
    assert_eq!(pace.full_at, Some(instants_at(600 + 990 * 60).wall));

    // Later, only the last hour counts.
    for minute in 1..=300 {
        usage.record(&limit(if minute < 100 { "99" } else { "50" }), instants_at(minute * 60));
    }
    let pace = usage.pace(&limit("50"), instants_at(300 * 60)).unwrap();
    assert_eq!((pace.used, pace.over_secs, pace.full_at), (Sats::ZERO, 3600, None));
    assert!(usage.0.len() <= 62, "{}", usage.0.len());
}

#[test]
fn limit_that_lasts_longer_than_ten_years_has_no_predicted_time() {
    let mut usage = LimitUsage::default();
    usage.record(&limit("100"), instants_at(0));
    let pace = usage.pace(&limit("99.99999999"), instants_at(3600)).unwrap();
    assert_eq!((pace.used.get(), pace.full_at), (1, None));
}
