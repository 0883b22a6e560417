use super::*;
use crate::clock::tests::instants_at;

fn limit(remaining: &str) -> OrderLimitStatus {
    let sats = |text: &str| text.parse().unwrap();
    OrderLimitStatus { limit: sats("100"), remaining: sats(remaining), reserved: sats("0") }
}

#[test]
fn limit_is_reached_when_the_pace_of_the_last_hour_has_used_the_rest() {
    let mut uses = LimitUse::default();
    uses.record(&limit("100"), instants_at(0));
    assert_eq!(uses.pace(&limit("99"), instants_at(59)), None);
    // 1 BTC in ten minutes: the other 99 last 990 minutes.
    let pace = uses.pace(&limit("99"), instants_at(600)).unwrap();
    assert_eq!((pace.used.to_string().as_str(), pace.over_secs), ("1.00000000", 600));
    assert_eq!(pace.full_at, Some(instants_at(600 + 990 * 60).wall));

    // Later, only the last hour counts.
    for minute in 1..=300 {
        uses.record(&limit(if minute < 100 { "99" } else { "50" }), instants_at(minute * 60));
    }
    let pace = uses.pace(&limit("50"), instants_at(300 * 60)).unwrap();
    assert_eq!((pace.used, pace.over_secs, pace.full_at), (Sats::ZERO, 3600, None));
    assert!(uses.0.len() <= 62, "{}", uses.0.len());
}

#[test]
fn limit_that_lasts_for_decades_is_not_predicted() {
    let mut uses = LimitUse::default();
    uses.record(&limit("100"), instants_at(0));
    let pace = uses.pace(&limit("99.99999999"), instants_at(3600)).unwrap();
    assert_eq!((pace.used.get(), pace.full_at), (1, None));
}
