use super::*;

#[test]
fn a_time_reads_the_same_after_a_round_trip() {
    for text in ["2026-01-02T03:04:05.678901Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"] {
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
    }
    assert_eq!("2026-01-02T05:04:05+02:00".parse::<Timestamp>().unwrap().to_string(), "2026-01-02T03:04:05.000000Z");
}

#[test]
fn no_time_is_refused() {
    for text in ["", "yesterday", "2026-01-02", "2026-13-01T00:00:00Z"] {
        assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
    }
}

#[test]
fn durations_do_not_overflow() {
    let now = Timestamp::now();
    assert_eq!(now.plus(Duration::MAX), now);
    assert_eq!(now.since(now.plus(Duration::from_secs(1))), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_virtual_clock_goes_as_tokios_does() {
    let start = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let clock = Clock::starting_at(start);
    assert_eq!(clock.now(), start);
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(clock.now(), start.plus(Duration::from_hours(1)));
}
