use super::*;
use crate::sources::pair;

const USD: CurrencyPair = pair("EUR", "USD");
const GBP: CurrencyPair = pair("EUR", "GBP");
const BOTH: [CurrencyPair; 2] = [USD, GBP];

fn on(text: &str) -> Timestamp {
    day(text, "%Y-%m-%d").unwrap()
}

#[allow(clippy::unnecessary_wraps, reason = "it is how a fetch ends")]
fn rates(rows: &[(CurrencyPair, &str, &str)]) -> Result<Fetched<Rates>, SourceError> {
    let told = rows.iter().map(|(pair, rate, day)| (*pair, Ok((rate.parse().unwrap(), on(day)))));
    Ok(Fetched { value: told.collect(), simulated: false })
}

/// The rates of dollar and pound at midnight of a day.
fn told(daily: &Daily, day: &str) -> [Option<String>; 2] {
    let request = PollRequest { pairs: &BOTH, now: on(day), deadline: Instant::now() };
    let answer = daily.answer(&request, &BOTH).unwrap();
    BOTH.map(|pair| answer.tickers.get(&pair).map(|quote| quote.course().to_string()))
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
        let request = PollRequest { pairs: &BOTH, now: now.plus(Duration::from_hours(23)), deadline: Instant::now() };
        assert_eq!(daily.answer(&request, &BOTH).unwrap().tickers.len(), 2, "{now}");
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
    let request = PollRequest { pairs: &BOTH, now, deadline: Instant::now() };
    assert_eq!(daily.answer(&request, &BOTH), Err(SourceError::Timeout));
    assert!(!daily.is_due());
    tokio::time::advance(RETRY).await;
    assert!(daily.is_due());
    daily.took("ecb", rates(&[(USD, "1.08", "2026-01-02")]), now);
    let answer = daily.answer(&request, &BOTH).unwrap();
    assert_eq!((answer.tickers.len(), &answer.errors[&GBP]), (1, &SourceError::UnknownPair));
    assert!(!daily.is_due());
    tokio::time::advance(REFETCH).await;
    assert!(daily.is_due());
}
