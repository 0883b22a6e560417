use super::*;

#[test]
fn displayed_time_parses_to_the_same_time() {
    for text in ["2026-01-02T03:04:05.678901Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"] {
        assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
    }
    assert_eq!("2026-01-02T05:04:05+02:00".parse::<Timestamp>().unwrap().to_string(), "2026-01-02T03:04:05.000000Z");
}

#[test]
fn malformed_time_is_rejected() {
    for text in ["", "yesterday", "2026-01-02", "2026-13-01T00:00:00Z"] {
        assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::Malformed), "{text}");
    }
}

#[test]
fn offset_whose_plus_became_a_space_is_named_as_the_cause() {
    let error = "2026-01-01T00:00:00 02:00".parse::<Timestamp>().unwrap_err();
    assert_eq!(error, TimestampError::UnencodedPlus);
    assert!(error.to_string().contains("%2B"), "{error}");
    for text in ["2026-01-01T00:00:00 Z", "2026-01-01 02:00", "2026-01-01T00:00:00 25:00", " 02:00"] {
        assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::Malformed), "{text}");
    }
}

#[test]
fn age_of_a_day_counts_from_its_start() {
    let day: Day = "2026-01-02".parse().unwrap();
    for (time, age) in [("2026-01-01T23:59:59Z", 0), ("2026-01-02T00:00:00Z", 0), ("2026-01-03T00:00:01Z", 86_401)] {
        assert_eq!(day.elapsed_at(time.parse().unwrap()), Duration::from_secs(age), "{time}");
    }
}

#[test]
fn displayed_day_parses_to_the_same_day() {
    let day = Day::of("2026-01-02T23:59:59Z".parse().unwrap());
    assert_eq!((day.to_string().as_str(), "2026-01-02".parse()), ("2026-01-02", Ok(day)));
    for text in ["", "2026-02-30", "2026-01-02T00:00:00Z"] {
        assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
    }
}

#[test]
fn result_out_of_range_leaves_the_time_unchanged() {
    let now = Timestamp::now();
    assert_eq!((now.plus(Duration::MAX), now.minus(Duration::MAX)), (now, now));
}

#[test]
fn time_since_a_later_time_is_zero() {
    let now = Timestamp::now();
    assert_eq!(now.since(now.plus(Duration::from_secs(1))), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn virtual_clock_advances_with_tokio() {
    let start = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let clock = Clock::starting_at(start);
    assert_eq!(clock.now(), start);
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(clock.now(), start.plus(Duration::from_hours(1)));
}

#[tokio::test(start_paused = true)]
async fn virtual_clock_can_be_set_without_a_change_of_monotonic_time() {
    let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
    tokio::time::advance(Duration::from_secs(1)).await;
    let ClockReading { wall, monotonic } = clock.read();
    let later = wall.plus(Duration::from_hours(24));
    clock.set(later);
    assert_eq!(clock.read(), ClockReading { wall: later, monotonic });
    tokio::time::advance(Duration::from_secs(1)).await;
    let second = Duration::from_secs(1);
    assert_eq!(clock.read(), ClockReading { wall: later.plus(second), monotonic: monotonic + second });
}

#[test]
fn system_clock_reads_a_monotonic_time_that_advances() {
    let first = Clock::System.read();
    let second = Clock::System.read();
    assert!(first.monotonic > Duration::ZERO && first.monotonic <= second.monotonic);
}

#[test]
fn expected_wall_time_advances_only_with_the_monotonic_clock() {
    let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
    let earlier = ClockReading { wall: "2026-01-02T03:04:05Z".parse().unwrap(), monotonic: hour };
    for wall in [earlier.wall, earlier.wall.plus(hour), earlier.wall.minus(hour)] {
        let later = ClockReading { wall, monotonic: hour + minute };
        assert_eq!(later.elapsed_since(earlier), minute);
        assert_eq!(earlier.expected_at(later), earlier.wall.plus(minute));
        // An elapsed time is never negative.
        assert_eq!(earlier.elapsed_since(later), Duration::ZERO);
        assert_eq!(later.expected_at(earlier), wall);
    }
}

/// A value that is valid for a minute.
struct Observed(Timestamp);

impl Expiring for Observed {
    fn version(&self) -> Timestamp {
        self.0
    }

    fn expires_at(&self) -> Timestamp {
        self.0.plus(Duration::from_mins(1))
    }
}

#[test]
fn expired_value_and_value_beyond_the_clock_skew_are_not_current() {
    let now = "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap();
    let micro = Duration::from_micros(1);
    assert!(Observed(now.plus(MAX_CLOCK_SKEW)).is_current(now));
    assert!(!Observed(now.plus(MAX_CLOCK_SKEW + micro)).is_current(now));
    assert!(Observed(now.minus(Duration::from_mins(1)).plus(micro)).is_current(now));
    assert!(!Observed(now.minus(Duration::from_mins(1))).is_current(now));
}

#[test]
fn age_is_formatted_in_the_largest_unit_with_a_number_of_at_least_two() {
    let ages = [0, 119, 120, 3_599, 7_199, 7_200, 172_799, 172_800];
    let formatted = ages.map(|seconds| format_age(Duration::from_secs(seconds)));
    assert_eq!(formatted, ["0 s", "119 s", "2 min", "59 min", "119 min", "2 h", "47 h", "2 days"]);
}
