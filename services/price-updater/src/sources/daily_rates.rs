//! The adapter for banks that publish official rates once a day.
//!
//! Rates are fetched once an hour, or sooner after a failed fetch, and cached. Every poll is answered from the cache.
//! Banks publish on working days only, so on a Sunday the rates of Friday are current. Cached rates also stay in use
//! while the bank is unreachable, until they are older than [`MAX_FIXING_AGE`].

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::NaiveDate;
use common::{
    money::{CurrencyPair, Rate},
    time::{Day, Timestamp},
};
use tokio::time::Instant;

use super::ticker::{MAX_FIXING_AGE, Ticker};
use super::{
    PollReply, PollRequest, SourceError,
    definition::SourceAdapter,
    http_client::{Fetched, HttpResponse, SourceHttpClient},
    rate_limiter::RateLimits,
};

/// Time between polls. A poll is cheap, because most polls only read the cache.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(60);
/// No bank documents a limit. These limits permit every regular fetch and every retry.
pub(super) const RATE_LIMITS: RateLimits =
    RateLimits { max_requests: 12, window: Duration::from_hours(1), default_backoff: Duration::from_hours(1) };
/// Time from a successful fetch to the next fetch.
const REFETCH_AFTER: Duration = Duration::from_hours(1);
/// Time from a failed fetch to the next fetch.
const RETRY_AFTER: Duration = Duration::from_mins(5);
/// Maximum time from now to the day of a rate. A bank can publish a rate before a weekend or holidays.
const MAX_AHEAD: Duration = Duration::from_hours(4 * 24);

/// An official rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DailyRate {
    pub(super) rate: Rate,
    /// Midnight at the beginning of the day for which the rate is valid, in UTC.
    pub(super) day: Timestamp,
}

/// The parsed rate or the error of each pair in a bank's document.
pub(super) type DailyRates = BTreeMap<CurrencyPair, Result<DailyRate, SourceError>>;

/// The adapter of one bank.
pub(super) struct DailyRatesAdapter {
    /// The name of the source, for log messages.
    source: &'static str,
    /// Path and query of the bank's document.
    path: String,
    parse: fn(&HttpResponse) -> Result<DailyRates, SourceError>,
    cache: DailyRatesCache,
}

impl DailyRatesAdapter {
    pub(super) fn new(
        source: &'static str,
        path: impl Into<String>,
        parse: fn(&HttpResponse) -> Result<DailyRates, SourceError>,
    ) -> Self {
        Self { source, path: path.into(), parse, cache: DailyRatesCache::default() }
    }
}

#[async_trait]
impl SourceAdapter for DailyRatesAdapter {
    async fn poll(&self, client: &SourceHttpClient, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        if self.cache.is_fetch_due() {
            let result = client.get(&self.path, request.deadline, self.parse).await;
            self.cache.record_fetch(self.source, result, request.now);
        }
        self.cache.reply(&request)
    }
}

#[derive(Default)]
struct DailyRatesCache(Mutex<CacheState>);

#[derive(Default)]
struct CacheState {
    rates: BTreeMap<CurrencyPair, DailyRate>,
    /// Errors of single pairs in the last successful fetch.
    errors: BTreeMap<CurrencyPair, SourceError>,
    simulated: bool,
    /// Why the last fetch failed. `None` if it succeeded.
    failure: Option<SourceError>,
    next_fetch: Option<Instant>,
}

impl DailyRatesCache {
    fn is_fetch_due(&self) -> bool {
        self.lock().next_fetch.is_none_or(|next| next <= Instant::now())
    }

    /// Stores the result of a fetch. A rate is not replaced by a rate of an earlier day. A cached rate that is missing
    /// from the document stays in the cache.
    fn record_fetch(&self, source: &'static str, result: Result<Fetched<DailyRates>, SourceError>, now: Timestamp) {
        let mut state = self.lock();
        let failed_before = state.failure.is_some();
        match result {
            Ok(Fetched { value, simulated }) => {
                if failed_before {
                    tracing::info!(source, "official rates are available again");
                }
                state.next_fetch = Some(Instant::now() + REFETCH_AFTER);
                (state.failure, state.simulated) = (None, simulated);
                state.errors.clear();
                for (pair, rate) in value {
                    match rate.and_then(|rate| check_day(rate, now)) {
                        Ok(rate) if state.rates.get(&pair).is_some_and(|cached| cached.day > rate.day) => {}
                        Ok(rate) => drop(state.rates.insert(pair, rate)),
                        Err(error) => drop(state.errors.insert(pair, error)),
                    }
                }
            }
            Err(error) => {
                if !failed_before {
                    tracing::info!(source, %error, "official rates cannot be fetched; cached rates stay in use");
                }
                state.next_fetch = Some(Instant::now() + RETRY_AFTER);
                state.failure = Some(error);
            }
        }
    }

    /// Returns the cached rates of the requested pairs. Fails if the cache is empty and the last fetch failed.
    fn reply(&self, request: &PollRequest<'_>) -> Result<PollReply, SourceError> {
        let state = self.lock();
        if state.rates.is_empty()
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        let mut reply = PollReply { simulated: state.simulated, ..PollReply::default() };
        for &pair in request.pairs {
            let error = || state.errors.get(&pair).cloned();
            let result = match state.rates.get(&pair) {
                Some(&DailyRate { rate, day }) if request.now.since(day) <= MAX_FIXING_AGE => {
                    Ok(Ticker::fixing(rate, Day::of(day), request.now))
                }
                Some(&DailyRate { day, .. }) => Err(error().unwrap_or(SourceError::Stale(day))),
                None => Err(error().unwrap_or(SourceError::UnknownPair)),
            };
            reply.insert(pair, result);
        }
        Ok(reply)
    }

    /// Locks the state. A poisoned lock is accepted, because the fields do not depend on each other.
    fn lock(&self) -> MutexGuard<'_, CacheState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_day(rate: DailyRate, now: Timestamp) -> Result<DailyRate, SourceError> {
    if rate.day.since(now) > MAX_AHEAD {
        return Err(SourceError::implausible(format_args!("its day is too far in the future: {}", rate.day)));
    }
    Ok(rate)
}

/// Parses a date. Returns the midnight at which the day begins, in UTC.
pub(super) fn parse_day(text: &str, format: &str) -> Result<Timestamp, SourceError> {
    let day = NaiveDate::parse_from_str(text, format).ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let day = day.ok_or_else(|| SourceError::invalid_response(format_args!("{text:?} is not a date")))?;
    Timestamp::from_micros(day.and_utc().timestamp_micros()).map_err(SourceError::invalid_response)
}

#[cfg(test)]
mod tests;
