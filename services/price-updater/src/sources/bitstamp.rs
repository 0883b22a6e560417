//! Bitstamp: `GET /api/v2/ticker/`, one request for every pair there is, about 100 KiB.
//!
//! Format: <https://www.bitstamp.net/api/>. 400 requests a second and 10,000 in ten minutes are permitted. The list names
//! each pair (`BTC/USD`), which a single ticker does not. Everything is a string. Its `timestamp` is not looked at.
//!
//! Errors are a status with `{"error":"…"}`, or `{"status":"error","reason":…}` where the reason is a text or an object;
//! too many requests may be `{"response_code":"400.002"}` (also 400.067 and 400.068).

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{DecimalText, Direction},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Answer, Ask, BuiltIn, EXCHANGE_PERIOD, Quotes, Source, SourceError, as_built_in,
    budget::Limits,
    direction, directions, wanted,
    web::{Page, Web},
};
use crate::quote::Quote;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "bitstamp",
    kind: CourseKind::Trade,
    url_variable: "BITSTAMP_URL",
    default_url: "https://www.bitstamp.net",
    period: EXCHANGE_PERIOD,
    limits: Limits { calls: 5, window: Duration::from_secs(5), pause: Duration::from_secs(600) },
    build: |web| Box::new(Bitstamp { web, directions: directions(PAIRS) }),
};

const PAIRS: &[(Direction, &str)] = &[
    (direction("BTC", "USD"), "BTC/USD"),
    (direction("BTC", "EUR"), "BTC/EUR"),
    (direction("BTC", "GBP"), "BTC/GBP"),
    (direction("BTC", "USDT"), "BTC/USDT"),
    (direction("ETH", "USD"), "ETH/USD"),
    (direction("ETH", "EUR"), "ETH/EUR"),
    (direction("ETH", "GBP"), "ETH/GBP"),
    (direction("ETH", "USDT"), "ETH/USDT"),
    (direction("USDT", "USD"), "USDT/USD"),
    (direction("USDT", "EUR"), "USDT/EUR"),
];

/// Codes of refusals that mean too many requests.
const LIMITS: [&str; 3] = ["400.002", "400.067", "400.068"];

struct Bitstamp {
    web: Web,
    directions: Vec<Direction>,
}

#[derive(Deserialize)]
struct Ticker {
    last: DecimalText,
    bid: DecimalText,
    ask: DecimalText,
}

#[derive(Deserialize)]
struct Named {
    pair: String,
}

#[derive(Deserialize)]
struct Failure<'a> {
    response_code: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

#[async_trait]
impl Source for Bitstamp {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let pairs = wanted(&ask, PAIRS);
        let told = self.web.get("/api/v2/ticker/", ask.deadline, |page| read(page, &pairs, ask.now)).await?;
        Ok(told.into())
    }
}

fn read(page: &Page, pairs: &[(Direction, &str)], now: Timestamp) -> Result<Quotes, SourceError> {
    if let Ok(failure) = page.json::<Failure<'_>>() {
        return Err(read_failure(page, &failure));
    }
    let rows: Vec<&RawValue> = page.success()?.json()?;
    let name = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.pair);
    let named: Vec<_> = rows.into_iter().filter_map(|row| Some((name(row)?, row))).collect();
    let quote = |pair: &str| {
        let row = named.iter().find(|(name, _)| name == pair).ok_or(SourceError::UnknownPair)?.1;
        let Ticker { last, bid, ask } = serde_json::from_str(row.get()).map_err(SourceError::garbled)?;
        Quote::traded(Some(&last), Some(&bid), Some(&ask), now)
    };
    Ok(pairs.iter().map(|&(direction, pair)| (direction, quote(pair))).collect())
}

fn read_failure(page: &Page, failure: &Failure<'_>) -> SourceError {
    let limited = failure.response_code.as_deref().is_some_and(|code| LIMITS.contains(&code));
    match failure.reason.or(failure.error) {
        _ if limited => SourceError::RateLimited { retry_after: page.retry_after },
        _ if page.success().is_err() => page.success().err().unwrap_or(SourceError::Status(page.status)),
        Some(reason) => SourceError::refused(reason.get().trim_matches('"')),
        None => SourceError::garbled("it is no list"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::{ask_all, course, now, played};

    const LIST: &str = r#"[
        {"timestamp":"1767323045","open":"60502","high":"62631","low":"59868","last":"61234","volume":"1900.10",
         "vwap":"61280","bid":"61233","ask":"61235","side":"0","open_24":"60400","percent_change_24":"1.38","pair":"BTC/USD"},
        {"last":"56000","bid":"56001","ask":"55999","pair":"BTC/EUR"},
        {"last":"3000","bid":"0","ask":"3001","pair":"ETH/USD"},
        {"last":{},"bid":"0","ask":"3001","pair":"ETH/EUR"},
        {"last":"0.9998","bid":"0.99975","ask":"0.99985","pair":"USDT/USD"}]"#;

    fn all(status: u16, body: &str) -> Result<Quotes, SourceError> {
        read(&Page::of(status, body), PAIRS, now())
    }

    #[test]
    fn rows_are_found_by_their_pair_and_one_that_is_wrong_costs_itself_alone() {
        let quotes = all(200, LIST).unwrap();
        assert_eq!(course(&quotes, "BTC-USD").unwrap(), "61234.00");
        assert_eq!(course(&quotes, "USDT-USD").unwrap(), "0.9998");
        assert!(matches!(course(&quotes, "BTC-EUR"), Err(SourceError::Implausible(_))));
        assert!(matches!(course(&quotes, "ETH-USD"), Err(SourceError::Implausible(_))));
        assert!(matches!(course(&quotes, "ETH-EUR"), Err(SourceError::Garbled(_))));
        assert_eq!(course(&quotes, "BTC-GBP"), Err(SourceError::UnknownPair));
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |status: u16, body: &str| all(status, body).unwrap_err();
        let limited = SourceError::RateLimited { retry_after: None };
        assert_eq!(error(400, r#"{"response_code":"400.002","response_explanation":"limit"}"#), limited);
        assert_eq!(error(429, "{}"), limited);
        assert_eq!(error(404, "<html>"), SourceError::Status(404));
        assert_eq!(error(200, r#"{"error":"maintenance"}"#), SourceError::refused("maintenance"));
        let reasons = r#"{"status":"error","reason":{"__all__":["no"]},"code":"API0004"}"#;
        assert_eq!(error(200, reasons), SourceError::refused(r#"{"__all__":["no"]}"#));
        for garbled in ["", "{}", "<html>", &LIST[..100], "3"] {
            assert!(matches!(all(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_pairs_cost_one_request() {
        let bitstamp = played(&BUILT_IN, |path| {
            assert_eq!(path, "/api/v2/ticker/");
            (200, LIST.to_owned())
        });
        let left = bitstamp.budget_left();
        assert_eq!(ask_all(&*bitstamp, now()).await.unwrap().quotes.len(), 2);
        assert_eq!(bitstamp.budget_left(), left - 1);
    }
}
