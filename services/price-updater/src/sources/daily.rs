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
    money::{CurrencyPair, Rate},
    time::Timestamp,
};
use tokio::time::Instant;

use super::ticker::{MAX_FIXING_AGE, Ticker};
use super::{PollReply, PollRequest, SourceError, http_client::Fetched};

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
/// What was read of each pair.
pub(super) type Rates = BTreeMap<CurrencyPair, Result<Dated, SourceError>>;

/// The rates that are known.
#[derive(Default)]
pub(super) struct Daily(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    rates: BTreeMap<CurrencyPair, Dated>,
    /// What was wrong with single rates at the last fetch.
    errors: BTreeMap<CurrencyPair, SourceError>,
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
    pub(super) fn took(&self, source: &'static str, told: Result<Fetched<Rates>, SourceError>, now: Timestamp) {
        let mut kept = self.lock();
        let failed_before = kept.failure.is_some();
        match told {
            Ok(Fetched { value, simulated }) => {
                if failed_before {
                    tracing::info!(source, "official rates are fetched again");
                }
                kept.next = Some(Instant::now() + REFETCH);
                (kept.failure, kept.simulated) = (None, simulated);
                kept.errors.clear();
                for (pair, rate) in value {
                    match rate.and_then(|rate| not_to_come(rate, now)) {
                        Ok(rate) if kept.rates.get(&pair).is_some_and(|before| before.1 > rate.1) => {}
                        Ok(rate) => drop(kept.rates.insert(pair, rate)),
                        Err(fault) => drop(kept.errors.insert(pair, fault)),
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

    /// What is known of the wanted ones of `pairs`.
    pub(super) fn answer(&self, request: &PollRequest<'_>, pairs: &[CurrencyPair]) -> Result<PollReply, SourceError> {
        let kept = self.lock();
        if kept.rates.is_empty()
            && let Some(failure) = &kept.failure
        {
            return Err(failure.clone());
        }
        let mut answer = PollReply { simulated: kept.simulated, ..PollReply::default() };
        for &pair in pairs.iter().filter(|pair| request.pairs.contains(pair)) {
            let fault = || kept.errors.get(&pair).cloned();
            answer.put(
                pair,
                match kept.rates.get(&pair) {
                    Some(&(rate, day)) if request.now.since(day) <= MAX_FIXING_AGE => {
                        Ok(Ticker::fixing(rate, request.now))
                    }
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
    let day = day.ok_or_else(|| SourceError::invalid_response(format_args!("{text:?} is no day")))?;
    Timestamp::from_micros(day.and_utc().timestamp_micros()).map_err(SourceError::invalid_response)
}

#[cfg(test)]
mod tests;
