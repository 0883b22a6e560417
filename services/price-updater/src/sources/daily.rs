//! Official rates of the day: fetched once an hour at most, and kept until there are newer ones.
//!
//! A bank publishes on its working days only. Over a weekend the rates of Friday are told and that is no failure; nor is it
//! one when the bank cannot be reached for a while. A rate that is more than [`MAX_FIXING_AGE`] from its own day is told no
//! more.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::NaiveDate;
use common::{
    money::{Direction, Rate},
    time::Timestamp,
};
use tokio::time::Instant;

use super::{Answer, Ask, SourceError, web::Told};
use crate::quote::{MAX_FIXING_AGE, Quote};

/// From one ask to the next, which costs nothing: it is answered from what is kept.
pub(super) const PERIOD: Duration = Duration::from_secs(60);
/// From one fetch to the next.
const REFETCH: Duration = Duration::from_hours(1);
/// From one fetch that failed to the next.
const RETRY: Duration = Duration::from_mins(5);
/// How far ahead of its day a rate may be published: the Bank of Russia tells that of Monday on Friday.
const MAX_AHEAD: Duration = Duration::from_hours(4 * 24);

/// A rate and the beginning of its day.
pub(super) type Dated = (Rate, Timestamp);
/// What was read of each direction.
pub(super) type Rates = BTreeMap<Direction, Result<Dated, SourceError>>;

/// The rates that are known.
#[derive(Default)]
pub(super) struct Daily(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    rates: BTreeMap<Direction, Dated>,
    /// What was wrong with single rates at the last fetch.
    faults: BTreeMap<Direction, SourceError>,
    simulated: bool,
    /// Why the last fetch failed.
    failure: Option<SourceError>,
    next: Option<Instant>,
}

impl Daily {
    /// Whether it is time to fetch. Who is told so has to tell how it ended.
    pub(super) fn is_due(&self) -> bool {
        self.lock().next.is_none_or(|next| next <= Instant::now())
    }

    /// Takes over what was fetched. A rate is never replaced by one of an earlier day, nor dropped for being left out.
    pub(super) fn took(&self, source: &'static str, told: Result<Told<Rates>, SourceError>, now: Timestamp) {
        let mut kept = self.lock();
        let failed_before = kept.failure.is_some();
        match told {
            Ok(Told { told, simulated }) => {
                if failed_before {
                    tracing::info!(source, "official rates are fetched again");
                }
                kept.next = Some(Instant::now() + REFETCH);
                (kept.failure, kept.simulated) = (None, simulated);
                kept.faults.clear();
                for (direction, rate) in told {
                    match rate.and_then(|rate| not_to_come(rate, now)) {
                        Ok(rate) if kept.rates.get(&direction).is_some_and(|before| before.1 > rate.1) => {}
                        Ok(rate) => drop(kept.rates.insert(direction, rate)),
                        Err(fault) => drop(kept.faults.insert(direction, fault)),
                    }
                }
            }
            Err(error) => {
                if !failed_before {
                    tracing::info!(source, %error, "official rates cannot be fetched: those that are known go on counting");
                }
                kept.next = Some(Instant::now() + RETRY);
                kept.failure = Some(error);
            }
        }
    }

    /// What is known of the wanted ones of `directions`.
    pub(super) fn answer(&self, ask: &Ask<'_>, directions: &[Direction]) -> Result<Answer, SourceError> {
        let kept = self.lock();
        if kept.rates.is_empty()
            && let Some(failure) = &kept.failure
        {
            return Err(failure.clone());
        }
        let mut answer = Answer { simulated: kept.simulated, ..Answer::default() };
        for &direction in directions.iter().filter(|direction| ask.wanted.contains(direction)) {
            let fault = || kept.faults.get(&direction).cloned();
            answer.put(
                direction,
                match kept.rates.get(&direction) {
                    Some(&(rate, day)) if ask.now.since(day) <= MAX_FIXING_AGE => Ok(Quote::fixing(rate, ask.now)),
                    Some(&(_, day)) => Err(fault().unwrap_or(SourceError::Stale(day))),
                    None => Err(fault().unwrap_or(SourceError::UnknownPair)),
                },
            );
        }
        Ok(answer)
    }

    /// Every field stands on its own, so what is there after a panic is still true.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_to_come(rate: Dated, now: Timestamp) -> Result<Dated, SourceError> {
    if rate.1.since(now) > MAX_AHEAD {
        return Err(SourceError::Implausible(format!("it is of a day to come, {}", rate.1)));
    }
    Ok(rate)
}

/// The beginning of a day that is written in `format`.
pub(super) fn day(text: &str, format: &str) -> Result<Timestamp, SourceError> {
    let day = NaiveDate::parse_from_str(text, format).ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let day = day.ok_or_else(|| SourceError::garbled(format_args!("{text:?} is no day")))?;
    Timestamp::from_micros(day.and_utc().timestamp_micros()).map_err(SourceError::garbled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::direction;

    const USD: Direction = direction("EUR", "USD");
    const GBP: Direction = direction("EUR", "GBP");
    const BOTH: [Direction; 2] = [USD, GBP];

    fn on(text: &str) -> Timestamp {
        day(text, "%Y-%m-%d").unwrap()
    }

    #[allow(clippy::unnecessary_wraps, reason = "it is how a fetch ends")]
    fn rates(rows: &[(Direction, &str, &str)]) -> Result<Told<Rates>, SourceError> {
        let told = rows.iter().map(|(direction, rate, day)| (*direction, Ok((rate.parse().unwrap(), on(day)))));
        Ok(Told { told: told.collect(), simulated: false })
    }

    /// The rates of dollar and pound at midnight of a day.
    fn told(daily: &Daily, day: &str) -> [Option<String>; 2] {
        let ask = Ask { wanted: &BOTH, now: on(day), deadline: Instant::now() };
        let answer = daily.answer(&ask, &BOTH).unwrap();
        BOTH.map(|direction| answer.quotes.get(&direction).map(|quote| quote.course().to_string()))
    }

    #[test]
    fn two_weeks_after_its_day_a_rate_is_told_no_more() {
        let daily = Daily::default();
        daily.took("ecb", rates(&[(USD, "1.08", "2026-01-02"), (GBP, "0.86", "2025-12-31")]), on("2026-01-02"));
        let shown = |text: &str| Some(text.to_owned());
        for day in ["2026-01-03", "2026-01-05", "2026-01-14"] {
            assert_eq!(told(&daily, day), [shown("1.08"), shown("0.86")]);
        }
        assert_eq!(told(&daily, "2026-01-15"), [shown("1.08"), None]);
        assert_eq!(told(&daily, "2026-01-17"), [None, None]);
    }

    /// The Bank of Russia's rate of the last day of the year holds until the first one after the holidays.
    #[test]
    fn the_holidays_of_january_are_no_failure() {
        let daily = Daily::default();
        for day in 0..=12 {
            let now = on("2025-12-31").plus(Duration::from_hours(24 * day));
            daily.took("cbr", rates(&[(USD, "1.08", "2025-12-31"), (GBP, "0.86", "2025-12-31")]), now);
            let ask = Ask { wanted: &BOTH, now: now.plus(Duration::from_hours(23)), deadline: Instant::now() };
            assert_eq!(daily.answer(&ask, &BOTH).unwrap().quotes.len(), 2, "{now}");
        }
    }

    #[test]
    fn a_rate_is_replaced_by_a_newer_one_only() {
        let (daily, now) = (Daily::default(), on("2026-01-05"));
        daily.took("ecb", rates(&[(USD, "1.08", "2026-01-02"), (GBP, "0.86", "2026-01-02")]), now);
        daily.took("ecb", rates(&[(USD, "1.50", "2025-12-31")]), now);
        daily.took("ecb", rates(&[(USD, "1.60", "2026-01-30")]), now);
        daily.took("ecb", Err(SourceError::Timeout), now);
        assert_eq!(told(&daily, "2026-01-05"), [Some("1.08".to_owned()), Some("0.86".to_owned())]);
        daily.took("ecb", rates(&[(USD, "1.09", "2026-01-05")]), now);
        assert_eq!(told(&daily, "2026-01-05")[0], Some("1.09".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_fetched_once_an_hour_and_soon_again_where_that_failed() {
        let (daily, now) = (Daily::default(), on("2026-01-05"));
        assert!(daily.is_due());
        daily.took("ecb", Err(SourceError::Timeout), now);
        let ask = Ask { wanted: &BOTH, now, deadline: Instant::now() };
        assert_eq!(daily.answer(&ask, &BOTH), Err(SourceError::Timeout));
        assert!(!daily.is_due());
        tokio::time::advance(RETRY).await;
        assert!(daily.is_due());
        daily.took("ecb", rates(&[(USD, "1.08", "2026-01-02")]), now);
        let answer = daily.answer(&ask, &BOTH).unwrap();
        assert_eq!((answer.quotes.len(), &answer.faults[&GBP]), (1, &SourceError::UnknownPair));
        assert!(!daily.is_due());
        tokio::time::advance(REFETCH).await;
        assert!(daily.is_due());
    }
}
