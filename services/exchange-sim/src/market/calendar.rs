//! The days on which central banks publish their fixings.

use chrono::{Datelike, Days, NaiveDate, NaiveTime, Weekday};
use common::time::Timestamp;

/// The time of day, in UTC, from which a day's fixing is available. The ECB publishes at about 16:00 in Frankfurt, the
/// Bank of Russia earlier. The simulation uses one time for both.
const PUBLISHED_AT: NaiveTime = NaiveTime::from_hms_opt(15, 0, 0).expect("a time of day");
/// Maximum number of days that are searched for a working day. The longest holidays, Russia's in January, last ten days
/// with their weekends.
const MAX_HOLIDAY_DAYS: u64 = 20;

/// The working days of one institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calendar {
    /// TARGET, the euro's payment system. The ECB publishes fixings on the working days of TARGET.
    Target,
    /// The Bank of Russia.
    Moscow,
}

impl Calendar {
    fn is_working_day(self, day: NaiveDate) -> bool {
        if matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
            return false;
        }
        let date = (day.month(), day.day());
        match self {
            Self::Target => {
                let days_after_easter = day.signed_duration_since(easter(day.year())).num_days();
                let good_friday_or_easter_monday = matches!(days_after_easter, -2 | 1);
                !good_friday_or_easter_monday && !matches!(date, (1 | 5, 1) | (12, 25 | 26))
            }
            Self::Moscow => !matches!(date, (1, 1..=8) | (2, 23) | (3, 8) | (5, 1 | 9) | (6, 12) | (11, 4)),
        }
    }

    /// The newest day whose fixing is already published at `time`.
    pub(crate) fn newest_fixing_day(self, time: Timestamp) -> NaiveDate {
        let now = time.to_datetime();
        let today = now.date_naive();
        self.working_day_on_or_before(if now.time() < PUBLISHED_AT { days_before(today, 1) } else { today })
    }

    pub(crate) fn working_day_on_or_before(self, day: NaiveDate) -> NaiveDate {
        (0..MAX_HOLIDAY_DAYS).map(|days| days_before(day, days)).find(|day| self.is_working_day(*day)).unwrap_or(day)
    }
}

pub(crate) fn days_before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

/// Easter Sunday of the Gregorian calendar, by the algorithm of J.-M. Oudin (1940).
fn easter(year: i32) -> NaiveDate {
    let century = year / 100;
    let golden = year % 19;
    let correction = (century - century / 4 - (century - (century - 17) / 25) / 3 + golden * 19 + 15) % 30;
    let moon = correction - (correction / 28) * (1 - (29 / (correction + 1)) * ((21 - golden) / 11));
    let weekday = (year + year / 4 + moon + 2 - century + century / 4) % 7;
    let days = moon - weekday;
    let month = 3 + (days + 40) / 44;
    let day = days + 28 - 31 * (month / 4);
    let date = [month, day].map(|part| u32::try_from(part).unwrap_or(1));
    NaiveDate::from_ymd_opt(year, date[0], date[1]).unwrap_or_default()
}

#[cfg(test)]
mod tests;
