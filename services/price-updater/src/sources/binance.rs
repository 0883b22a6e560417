//! Binance: `GET /api/v3/ticker/bookTicker?symbols=["BTCUSDT",…]&symbolStatus=TRADING`, one request for all pairs.
//!
//! Format: <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints>. A list costs a weight
//! of 4, of 6000 a minute for each address. It tells the best bid and ask as strings, and no last trade and no time.
//!
//! A pair that is no longer traded goes on answering with its last price for years: with `symbolStatus=TRADING` it is left
//! out of the answer instead, and a book with a zero side is refused. A pair that never was fails the request for all with
//! status 400 and code -1121.
//!
//! Errors are `{"code":-1003,"msg":"…"}`. Too many requests are 429 with `Retry-After`, and who goes on gets 418 and is
//! banned from two minutes up to three days; the text then says until when, in milliseconds since 1970. 403 is the guard
//! in front of it, which also means too many. Prices are in USDT, not in dollars.

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
    batches::Batches,
    budget::Limits,
    direction, directions,
    web::{Page, Web},
};
use crate::quote::Quote;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "binance",
    kind: CourseKind::Trade,
    url_variable: "BINANCE_URL",
    default_url: "https://data-api.binance.vision",
    period: EXCHANGE_PERIOD,
    // A weight of 480 a minute at most, of 6000.
    limits: Limits { calls: 10, window: Duration::from_secs(5), pause: Duration::from_secs(120) },
    build: |web| Box::new(Binance { web, directions: directions(PAIRS), batches: Batches::default() }),
};

const PAIRS: &[(Direction, &str)] = &[
    (direction("BTC", "USDT"), "BTCUSDT"),
    (direction("ETH", "USDT"), "ETHUSDT"),
    (direction("BTC", "EUR"), "BTCEUR"),
    (direction("ETH", "EUR"), "ETHEUR"),
    (direction("BTC", "GBP"), "BTCGBP"),
    (direction("ETH", "GBP"), "ETHGBP"),
];

struct Binance {
    web: Web,
    directions: Vec<Direction>,
    batches: Batches,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
    #[serde(default)]
    msg: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Book {
    bid_price: DecimalText,
    ask_price: DecimalText,
}

#[derive(Deserialize)]
struct Named {
    symbol: String,
}

#[async_trait]
impl Source for Binance {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let mut batch = self.batches.start(&ask, PAIRS);
        while let Some(group) = batch.next() {
            let names: Vec<_> = group.iter().map(|(_, name)| format!("%22{name}%22")).collect();
            let names = names.join(",");
            let path = format!("/api/v3/ticker/bookTicker?symbols=%5B{names}%5D&symbolStatus=TRADING");
            let told = self.web.get(&path, ask.deadline, |page| read(page, &group, ask.now)).await;
            batch.took(group, told);
        }
        batch.finish()
    }
}

fn read(page: &Page, group: &[(Direction, &str)], now: Timestamp) -> Result<Quotes, SourceError> {
    if let Ok(Failure { code, msg }) = page.json() {
        return Err(failure(page, code, &msg, now));
    }
    let rows: Vec<&RawValue> = page.success()?.json()?;
    let name = |row: &RawValue| serde_json::from_str::<Named>(row.get()).ok().map(|named| named.symbol);
    let named: Vec<_> = rows.into_iter().filter_map(|row| Some((name(row)?, row))).collect();
    let quote = |symbol: &str| {
        // Left out: it is not traded now.
        let row = named.iter().find(|(name, _)| name == symbol).ok_or(SourceError::UnknownPair)?.1;
        let Book { bid_price, ask_price } = serde_json::from_str(row.get()).map_err(SourceError::garbled)?;
        Quote::traded(None, Some(&bid_price), Some(&ask_price), now)
    };
    Ok(group.iter().map(|&(direction, symbol)| (direction, quote(symbol))).collect())
}

fn failure(page: &Page, code: i64, text: &str, now: Timestamp) -> SourceError {
    match code {
        -1121 | -1220 => SourceError::UnknownPair,
        _ if matches!(page.status, 418 | 429) || code == -1003 => {
            SourceError::RateLimited { retry_after: page.retry_after.max(banned_for(text, now)) }
        }
        _ => SourceError::refused(&format!("{code}: {text}")),
    }
}

/// `… IP(1.2.3.4) banned until 1700000000123. …`
fn banned_for(text: &str, now: Timestamp) -> Option<Duration> {
    let (_, until) = text.split_once("banned until ")?;
    let digits = until.split(|c: char| !c.is_ascii_digit()).next()?;
    let until = digits.parse::<i64>().ok()?.checked_mul(1000)?;
    let left = Timestamp::from_micros(until).ok()?.since(now);
    (!left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::{ask_all, course, now, played};

    const BOOKS: &str = r#"[
        {"symbol":"BTCUSDT","bidPrice":"61234.55000000","bidQty":"1.2","askPrice":"61234.57000000","askQty":"0.8"},
        {"symbol":"ETHUSDT","bidPrice":"3012.34000000","bidQty":"1.2","askPrice":null,"askQty":"0.8"},
        {"symbol":"BTCEUR","bidPrice":"0.00000000","bidQty":"0.0","askPrice":"56000.00000000","askQty":"0.1"},
        {"symbol":"DOGEUSDT","bidPrice":"0.1","bidQty":"0.0","askPrice":"0.1","askQty":"0.1"}]"#;

    fn all(status: u16, body: &str) -> Result<Quotes, SourceError> {
        read(&Page::of(status, body), PAIRS, now())
    }

    #[test]
    fn the_middle_of_the_book_is_told_and_one_that_is_wrong_costs_itself_alone() {
        let quotes = all(200, BOOKS).unwrap();
        assert_eq!(course(&quotes, "BTC-USDT").unwrap(), "61234.56");
        assert!(matches!(course(&quotes, "ETH-USDT"), Err(SourceError::Garbled(_))));
        // Nobody bids: it is not traded any more.
        assert!(matches!(course(&quotes, "BTC-EUR"), Err(SourceError::Implausible(_))));
        assert_eq!(course(&quotes, "BTC-GBP"), Err(SourceError::UnknownPair));
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |status: u16, body: &str| all(status, body).unwrap_err();
        assert_eq!(error(400, r#"{"code":-1121,"msg":"Invalid symbol."}"#), SourceError::UnknownPair);
        let limited =
            |retry_after: Option<u64>| SourceError::RateLimited { retry_after: retry_after.map(Duration::from_secs) };
        assert_eq!(error(429, r#"{"code":-1003,"msg":"Too much request weight used"}"#), limited(None));
        let until = now().plus(Duration::from_secs(150)).micros() / 1000;
        let banned =
            format!(r#"{{"code":-1003,"msg":"Way too much; IP(1.2.3.4) banned until {until}. Use websockets."}}"#);
        assert_eq!(error(418, &banned), limited(Some(150)));
        assert_eq!(error(418, r#"{"code":-1003,"msg":"banned until 99999999999999999999"}"#), limited(None));
        assert_eq!(error(418, r#"{"code":-1003,"msg":"banned until 1"}"#), limited(None));
        assert_eq!(error(429, "<html>"), limited(None));
        assert_eq!(error(403, "<html>"), SourceError::Status(403));
        assert_eq!(error(500, r#"{"code":-1000,"msg":"unknown"}"#), SourceError::refused("-1000: unknown"));
        for garbled in ["", "{}", "<html>", &BOOKS[..80], r#""BTCUSDT""#] {
            assert!(matches!(all(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_that_is_halted_is_not_believed() {
        let binance = played(&BUILT_IN, |path| {
            assert!(path.contains("symbols=%5B%22BTCUSDT%22,") && path.ends_with("&symbolStatus=TRADING"), "{path}");
            (200, BOOKS.to_owned())
        });
        let answer = ask_all(&*binance, now()).await.unwrap();
        assert_eq!(answer.quotes.len(), 1);
        assert_eq!(answer.faults[&"BTC-GBP".parse().unwrap()], SourceError::UnknownPair);
    }
}
