use super::*;

#[test]
fn easter_matches_known_dates() {
    for day in ["2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2038-04-25", "2049-04-18"] {
        let day: NaiveDate = day.parse().unwrap();
        assert_eq!(easter(day.year()), day);
    }
}

#[test]
fn newest_fixing_is_published_at_1500_utc_of_the_last_working_day() {
    let newest_fixing_day =
        |calendar: Calendar, time: &str| calendar.newest_fixing_day(time.parse().unwrap()).to_string();
    for (time, day) in [
        ("2026-01-02T14:59:59Z", "2025-12-31"),
        ("2026-01-02T15:00:00Z", "2026-01-02"),
        ("2026-01-03T23:00:00Z", "2026-01-02"),
        ("2026-01-05T10:00:00Z", "2026-01-02"),
        ("2026-04-06T20:00:00Z", "2026-04-02"),
        ("2026-12-26T20:00:00Z", "2026-12-24"),
    ] {
        assert_eq!(newest_fixing_day(Calendar::Target, time), day, "{time}");
    }
    assert_eq!(newest_fixing_day(Calendar::Moscow, "2026-01-08T20:00:00Z"), "2025-12-31");
    assert_eq!(newest_fixing_day(Calendar::Moscow, "2026-01-09T20:00:00Z"), "2026-01-09");
}
