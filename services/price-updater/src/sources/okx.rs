//! OKX: `GET /api/v5/market/ticker?instId=BTC-USDT`, one request a pair, 20 in two seconds for each address.
//!
//! Format: <https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-ticker>. Everything is a string, `ts` is in
//! milliseconds and is not looked at. The list of all spot pairs is one request too, but of several hundred KiB.
//!
//! `code` is the string `0`, or there is no answer, whatever the status: 50011 is too many requests (with no `data`), 51001
//! a pair that is not known. The gateway's own errors have a number for `code` and an object for `data`. A side of the book
//! that is empty is an empty string.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{DecimalText, Direction},
    time::Timestamp,
};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Answer, Ask, BuiltIn, EXCHANGE_PERIOD, Source, SourceError, as_built_in,
    budget::Limits,
    delisted::Delisted,
    direction, directions, wanted,
    web::{Page, Web},
};
use crate::quote::Quote;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "okx",
    kind: CourseKind::Trade,
    url_variable: "OKX_URL",
    default_url: "https://www.okx.com",
    period: EXCHANGE_PERIOD,
    limits: Limits { calls: 16, window: Duration::from_secs(2), pause: Duration::from_secs(10) },
    build: |web| Box::new(Okx { web, directions: directions(PAIRS), delisted: Delisted::default() }),
};

const PAIRS: &[(Direction, &str)] = &[
    (direction("BTC", "USDT"), "BTC-USDT"),
    (direction("BTC", "USD"), "BTC-USD"),
    (direction("BTC", "EUR"), "BTC-EUR"),
    (direction("ETH", "USDT"), "ETH-USDT"),
    (direction("ETH", "USD"), "ETH-USD"),
    (direction("ETH", "EUR"), "ETH-EUR"),
    (direction("USDT", "USD"), "USDT-USD"),
    (direction("USDT", "EUR"), "USDT-EUR"),
];

struct Okx {
    web: Web,
    directions: Vec<Direction>,
    delisted: Delisted,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    code: &'a RawValue,
    #[serde(default)]
    msg: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ticker {
    inst_id: String,
    last: DecimalText,
    bid_px: DecimalText,
    ask_px: DecimalText,
}

#[async_trait]
impl Source for Okx {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let mut answer = Answer::default();
        let pages =
            self.delisted.without(wanted(&ask, PAIRS), &mut answer).into_iter().map(async |(direction, name)| {
                let path = format!("/api/v5/market/ticker?instId={name}");
                (direction, self.web.get(&path, ask.deadline, |page| read(page, name, ask.now)).await)
            });
        for (direction, told) in join_all(pages).await {
            answer.simulated |= told.as_ref().is_ok_and(|told| told.simulated);
            self.delisted.heed(direction, &told);
            answer.put(direction, told.map(|told| told.told));
        }
        Ok(answer)
    }
}

fn read(page: &Page, name: &str, now: Timestamp) -> Result<Quote, SourceError> {
    let Ok(Reply { code, msg, data }) = page.not_limited()?.json() else {
        page.success()?;
        return Err(SourceError::garbled("it has no code"));
    };
    match code.get().trim_matches('"') {
        "0" => {}
        "50011" => return Err(SourceError::RateLimited { retry_after: page.retry_after }),
        "51001" => return Err(SourceError::UnknownPair),
        code => return Err(SourceError::refused(&format!("{code}: {msg}"))),
    }
    let data = page.success().and(data.ok_or_else(|| SourceError::garbled("it has no data")))?;
    let rows: Vec<Ticker> = serde_json::from_str(data.get()).map_err(SourceError::garbled)?;
    let Some(Ticker { last, bid_px, ask_px, .. }) = rows.into_iter().find(|row| row.inst_id == name) else {
        return Err(SourceError::garbled("the pair is not in it"));
    };
    Quote::traded(Some(&last), Some(&bid_px), Some(&ask_px), now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::{ask_all, now, played};

    const TICKER: &str = r#"{"code":"0","msg":"","data":[{"instType":"SPOT","instId":"BTC-USDT","last":"61234.5",
        "lastSz":"0.1","askPx":"61234.6","askSz":"11","bidPx":"61234.5","bidSz":"5","open24h":"60400","high24h":"61900",
        "low24h":"60129","volCcy24h":"8000000","vol24h":"130.5","ts":"1767323045085","sodUtc0":"60500","sodUtc8":"60600"}]}"#;

    fn at(status: u16, body: &str) -> Result<String, SourceError> {
        read(&Page::of(status, body), "BTC-USDT", now()).map(|quote| quote.course().to_string())
    }

    #[test]
    fn the_last_trade_is_read_exactly() {
        assert_eq!(at(200, TICKER).unwrap(), "61234.50");
    }

    #[test]
    fn another_pair_or_an_empty_side_is_no_price() {
        assert!(matches!(at(200, &TICKER.replace("BTC-USDT", "BTC-USDC")), Err(SourceError::Garbled(_))));
        assert!(matches!(
            at(200, &TICKER.replace(r#""bidPx":"61234.5""#, r#""bidPx":"""#)),
            Err(SourceError::Implausible(_))
        ));
        assert!(matches!(at(200, &TICKER.replace("61234.6", "61234.4")), Err(SourceError::Implausible(_))));
    }

    #[test]
    fn errors_of_every_shape_are_told_apart() {
        let limited = Err(SourceError::RateLimited { retry_after: None });
        assert_eq!(at(429, r#"{"msg":"Too Many Requests","code":"50011"}"#), limited);
        assert_eq!(at(200, r#"{"msg":"Too Many Requests","code":"50011"}"#), limited);
        assert_eq!(at(429, "<html>"), limited);
        let gateway =
            r#"{"code":404,"data":{},"detailMsg":"","error_code":"404","error_message":"Not Found","msg":"Not Found"}"#;
        assert_eq!(at(404, gateway), Err(SourceError::refused("404: Not Found")));
        let unknown = r#"{"code":"51001","msg":"Instrument ID does not exist","data":[]}"#;
        assert_eq!(at(200, unknown), Err(SourceError::UnknownPair));
        assert_eq!(at(200, r#"{"code":"50001","msg":"down","data":[]}"#), Err(SourceError::refused("50001: down")));
        assert_eq!(at(502, "<html>"), Err(SourceError::Status(502)));
        assert_eq!(at(500, TICKER), Err(SourceError::Status(500)));
        for garbled in
            ["", "{}", "<html>", &TICKER[..80], r#"{"code":"0","data":[]}"#, r#"{"code":"0","data":{}}"#, "[]"]
        {
            assert!(matches!(at(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_that_is_not_known_costs_one_request_an_hour() {
        let okx = played(&BUILT_IN, |path| match path {
            "/api/v5/market/ticker?instId=BTC-USDT" => (200, TICKER.to_owned()),
            _ => (200, r#"{"code":"51001","msg":"","data":[]}"#.to_owned()),
        });
        for left in [16 - 8, 16 - 9] {
            let answer = ask_all(&*okx, now()).await.unwrap();
            assert_eq!((answer.quotes.len(), answer.faults.len(), okx.budget_left()), (1, 7, left));
        }
    }
}
