//! Bitfinex: `GET /v2/tickers?symbols=tBTCUSD,tETHUSD`, one request for all pairs, 90 a minute for each address.
//!
//! Format: <https://docs.bitfinex.com/reference/rest-public-tickers>. A list of lists, each with the symbol in front:
//! `[SYMBOL, BID, BID_SIZE, ASK, ASK_SIZE, DAILY_CHANGE, DAILY_CHANGE_RELATIVE, LAST_PRICE, VOLUME, HIGH, LOW]`, the numbers
//! as JSON numbers, whole ones with no point. There is no time in it. `UST` is USDT.
//!
//! An error is a list with the word `error` in front, whatever the status: `["error",11010,"ratelimit: error"]`, and
//! `["error",10020,"symbol: invalid"]` with status 500. Beside that `{"error":"ERR_RATE_LIMIT"}` and
//! `{"message":"Ratelimit"}` are known. Too many requests block the address for up to a minute, with no `Retry-After`.

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
    Answer, Ask, BuiltIn, Quotes, Source, SourceError, as_built_in,
    batches::Batches,
    budget::Limits,
    direction, directions,
    web::{Page, Web},
};
use crate::quote::Quote;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "bitfinex",
    kind: CourseKind::Trade,
    url_variable: "BITFINEX_URL",
    default_url: "https://api-pub.bitfinex.com",
    period: Duration::from_secs(2),
    limits: Limits { calls: 30, window: Duration::from_secs(60), pause: Duration::from_secs(60) },
    build: |web| Box::new(Bitfinex { web, directions: directions(PAIRS), batches: Batches::default() }),
};

const PAIRS: &[(Direction, &str)] = &[
    (direction("BTC", "USD"), "tBTCUSD"),
    (direction("BTC", "EUR"), "tBTCEUR"),
    (direction("BTC", "GBP"), "tBTCGBP"),
    (direction("BTC", "JPY"), "tBTCJPY"),
    (direction("BTC", "USDT"), "tBTCUST"),
    (direction("ETH", "USD"), "tETHUSD"),
    (direction("ETH", "EUR"), "tETHEUR"),
    (direction("ETH", "GBP"), "tETHGBP"),
    (direction("ETH", "USDT"), "tETHUST"),
    (direction("USDT", "USD"), "tUSTUSD"),
];

/// Where in a row each of them stands, behind the symbol.
const BID: usize = 1;
const ASK: usize = 3;
const LAST: usize = 7;

struct Bitfinex {
    web: Web,
    directions: Vec<Direction>,
    batches: Batches,
}

#[derive(Deserialize)]
struct Failure {
    error: Option<String>,
    message: Option<String>,
}

#[async_trait]
impl Source for Bitfinex {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let mut batch = self.batches.start(&ask, PAIRS);
        while let Some(group) = batch.next() {
            let names: Vec<_> = group.iter().map(|(_, name)| *name).collect();
            let path = format!("/v2/tickers?symbols={}", names.join(","));
            let told = self.web.get(&path, ask.deadline, |page| read(page, &group, ask.now)).await;
            batch.took(group, told);
        }
        batch.finish()
    }
}

fn read(page: &Page, group: &[(Direction, &str)], now: Timestamp) -> Result<Quotes, SourceError> {
    if let Ok(Failure { error, message }) = page.json() {
        let Some(text) = error.or(message) else { return Err(SourceError::garbled("it is no list")) };
        return Err(failure(page, None, &text));
    }
    let Ok(rows) = page.json::<Vec<&RawValue>>() else {
        page.success()?;
        return Err(SourceError::garbled("it is no list"));
    };
    if rows.first().is_some_and(|first| first.get() == r#""error""#) {
        let code = rows.get(1).and_then(|code| code.get().parse().ok());
        let text = rows.get(2).map_or("", |text| text.get()).trim_matches('"');
        return Err(failure(page, code, text));
    }
    page.success()?;
    let rows: Vec<_> = rows.into_iter().filter_map(read_row).collect();
    let quote = |symbol: &str| {
        let cells = &rows.iter().find(|(name, _)| name == symbol).ok_or(SourceError::UnknownPair)?.1;
        let cell = |at: usize| {
            let cell = cells.get(at).ok_or_else(|| SourceError::garbled("a row is too short"))?;
            serde_json::from_str::<DecimalText>(cell.get()).map_err(SourceError::garbled)
        };
        Quote::traded(Some(&cell(LAST)?), Some(&cell(BID)?), Some(&cell(ASK)?), now)
    };
    Ok(group.iter().map(|&(direction, symbol)| (direction, quote(symbol))).collect())
}

/// The symbol of a row and all of its cells, the symbol among them.
fn read_row(row: &RawValue) -> Option<(String, Vec<&RawValue>)> {
    let cells: Vec<&RawValue> = serde_json::from_str(row.get()).ok()?;
    Some((serde_json::from_str(cells.first()?.get()).ok()?, cells))
}

fn failure(page: &Page, code: Option<i64>, text: &str) -> SourceError {
    let words = text.to_ascii_lowercase().replace(['_', ' '], "");
    match code {
        Some(10_020) => SourceError::UnknownPair,
        _ if page.status == 429 || code == Some(11_010) || words.contains("ratelimit") => {
            SourceError::RateLimited { retry_after: page.retry_after }
        }
        Some(code) => SourceError::refused(&format!("{code}: {text}")),
        None => SourceError::refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::{ask_all, course, now, played};

    const LIST: &str = r#"[["tBTCUSD",61233,15.3,61235,15.2,-114,-0.0019,61234,900.5,61900,60129],
        ["tBTCJPY",8.9e6,15.3,8.91E+6,15.2,-114,-1.9e-3,8905000.5,900.5,61900,60129],
        ["fUSD",0.0003,30,0.0003,2,4000,0.0003,2,4000,0,0,0,0,0,null,null,1],
        ["tBTCEUR",56001,15.3,56000,15.2,-114,-0.0019,56000,900.5,61900,60129],
        ["tETHUSD",null,15.3,3001,15.2,-114,-0.0019,3000,900.5,61900,60129],
        ["tETHEUR",2800,15.3]]"#;

    fn all(status: u16, body: &str) -> Result<Quotes, SourceError> {
        read(&Page::of(status, body), PAIRS, now())
    }

    #[test]
    fn rows_are_found_by_their_symbol_and_one_that_is_wrong_costs_itself_alone() {
        let quotes = all(200, LIST).unwrap();
        assert_eq!(course(&quotes, "BTC-USD").unwrap(), "61234.00");
        assert_eq!(course(&quotes, "BTC-JPY").unwrap(), "8905000.50");
        assert!(matches!(course(&quotes, "BTC-EUR"), Err(SourceError::Implausible(_))));
        assert!(matches!(course(&quotes, "ETH-USD"), Err(SourceError::Garbled(_))));
        assert!(matches!(course(&quotes, "ETH-EUR"), Err(SourceError::Garbled(_))));
        assert_eq!(course(&quotes, "BTC-GBP"), Err(SourceError::UnknownPair));
    }

    #[test]
    fn errors_of_every_shape_are_told_apart() {
        let error = |status: u16, body: &str| all(status, body).unwrap_err();
        for (status, body) in [
            (429, r#"["error",11010,"ratelimit: error"]"#),
            (200, r#"["error",11010,"ratelimit: error"]"#),
            (200, r#"["error",null,"ERR_RATE_LIMIT"]"#),
            (200, r#"{"error":"ERR_RATE_LIMIT"}"#),
            (200, r#"{"message":"Ratelimit"}"#),
            (429, ""),
        ] {
            assert_eq!(error(status, body), SourceError::RateLimited { retry_after: None }, "{status} {body}");
        }
        assert_eq!(error(500, r#"["error",10020,"symbol: invalid"]"#), SourceError::UnknownPair);
        assert_eq!(error(200, r#"["error",20060,"maintenance"]"#), SourceError::refused("20060: maintenance"));
        assert_eq!(error(500, "<html>"), SourceError::Status(500));
        for garbled in ["", "{}", "<html>", &LIST[..100], "null"] {
            assert!(matches!(all(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
        assert_eq!(course(&all(200, "[]").unwrap(), "BTC-USD"), Err(SourceError::UnknownPair));
    }

    #[tokio::test(start_paused = true)]
    async fn a_symbol_that_is_not_known_costs_only_itself() {
        let bitfinex = played(&BUILT_IN, |path| match path {
            path if path.contains("tBTCGBP") => (500, r#"["error",10020,"symbol: invalid"]"#.to_owned()),
            _ => (200, LIST.to_owned()),
        });
        let answer = ask_all(&*bitfinex, now()).await.unwrap();
        assert_eq!(answer.quotes.len(), 2);
        assert_eq!(answer.faults[&"BTC-GBP".parse().unwrap()], SourceError::UnknownPair);
    }
}
