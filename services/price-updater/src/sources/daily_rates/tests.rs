use super::*;
use crate::sources::pair;

const USD: CurrencyPair = pair("EUR", "USD");
const GBP: CurrencyPair = pair("EUR", "GBP");
const BOTH: [CurrencyPair; 2] = [USD, GBP];

fn midnight(text: &str) -> Timestamp {
    parse_day(text, "%Y-%m-%d").unwrap()
}

#[allow(clippy::unnecessary_wraps, reason = "record_fetch takes a result")]
fn fetched(rows: &[(CurrencyPair, &str, &str)]) -> Result<Fetched<DailyRates>, SourceError> {
    let rates =
        rows.iter().map(|(pair, rate, day)| (*pair, Ok(DailyRate { rate: rate.parse().unwrap(), day: midnight(day) })));
    Ok(Fetched { value: rates.collect(), simulated: false })
}

/// The cached rates of dollar and pound at midnight of a day.
fn cached_rates(cache: &DailyRatesCache, day: &str) -> [Option<String>; 2] {
    let request = PollRequest { pairs: &BOTH, now: midnight(day), deadline: Instant::now() };
    let reply = cache.reply(&request).unwrap();
    BOTH.map(|pair| reply.tickers.get(&pair).map(|ticker| ticker.course().to_string()))
}

#[test]
fn rate_expires_two_weeks_after_its_day() {
    let cache = DailyRatesCache::default();
    cache.record_fetch(
        "ecb",
        fetched(&[(USD, "1.08", "2026-01-02"), (GBP, "0.86", "2025-12-31")]),
        midnight("2026-01-02"),
    );
    let rate = |text: &str| Some(text.to_owned());
    for day in ["2026-01-03", "2026-01-05", "2026-01-14"] {
        assert_eq!(cached_rates(&cache, day), [rate("1.08"), rate("0.86")]);
    }
    assert_eq!(cached_rates(&cache, "2026-01-15"), [rate("1.08"), None]);
    // The time of a ticker is the time of the poll. The ticker also names the day of its rate.
    let (now, pairs) = (midnight("2026-01-14"), BOTH);
    let reply = cache.reply(&PollRequest { pairs: &pairs, now, deadline: Instant::now() }).unwrap();
    let days = BOTH.map(|pair| reply.tickers[&pair].official_day.unwrap().to_string());
    assert_eq!((days, reply.tickers[&USD].observed_at), (["2026-01-02", "2025-12-31"].map(str::to_owned), now));
    assert_eq!(cached_rates(&cache, "2026-01-17"), [None, None]);
}

/// The Bank of Russia publishes no rate between the last day of the year and the end of the holidays.
#[test]
fn rate_stays_in_use_during_the_january_holidays() {
    let cache = DailyRatesCache::default();
    for day in 0..=12 {
        let now = midnight("2025-12-31").plus(Duration::from_hours(24 * day));
        cache.record_fetch("cbr", fetched(&[(USD, "1.08", "2025-12-31"), (GBP, "0.86", "2025-12-31")]), now);
        let request = PollRequest { pairs: &BOTH, now: now.plus(Duration::from_hours(23)), deadline: Instant::now() };
        assert_eq!(cache.reply(&request).unwrap().tickers.len(), 2, "{now}");
    }
}

#[test]
fn earlier_rate_far_future_rate_and_failure_do_not_replace_the_cached_rate() {
    let (cache, now) = (DailyRatesCache::default(), midnight("2026-01-05"));
    cache.record_fetch("ecb", fetched(&[(USD, "1.08", "2026-01-02"), (GBP, "0.86", "2026-01-02")]), now);
    cache.record_fetch("ecb", fetched(&[(USD, "1.50", "2025-12-31")]), now);
    cache.record_fetch("ecb", fetched(&[(USD, "1.60", "2026-01-30")]), now);
    cache.record_fetch("ecb", Err(SourceError::Timeout), now);
    assert_eq!(cached_rates(&cache, "2026-01-05"), [Some("1.08".to_owned()), Some("0.86".to_owned())]);
    cache.record_fetch("ecb", fetched(&[(USD, "1.09", "2026-01-05")]), now);
    assert_eq!(cached_rates(&cache, "2026-01-05")[0], Some("1.09".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn rates_are_fetched_hourly_and_sooner_after_a_failure() {
    let (cache, now) = (DailyRatesCache::default(), midnight("2026-01-05"));
    assert!(cache.is_fetch_due());
    cache.record_fetch("ecb", Err(SourceError::Timeout), now);
    let request = PollRequest { pairs: &BOTH, now, deadline: Instant::now() };
    assert_eq!(cache.reply(&request), Err(SourceError::Timeout));
    assert!(!cache.is_fetch_due());
    tokio::time::advance(RETRY_AFTER).await;
    assert!(cache.is_fetch_due());
    cache.record_fetch("ecb", fetched(&[(USD, "1.08", "2026-01-02")]), now);
    let reply = cache.reply(&request).unwrap();
    assert_eq!((reply.tickers.len(), &reply.errors[&GBP]), (1, &SourceError::UnknownPair));
    assert!(!cache.is_fetch_due());
    tokio::time::advance(REFETCH_AFTER).await;
    assert!(cache.is_fetch_due());
}
