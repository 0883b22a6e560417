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
    money::{CurrencyPair, DecimalText},
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
use crate::ticker::Ticker;

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "okx",
    kind: CourseKind::Trade,
    url_variable: "OKX_URL",
    default_url: "https://www.okx.com",
    period: EXCHANGE_PERIOD,
    limits: Limits { calls: 16, window: Duration::from_secs(2), pause: Duration::from_secs(10) },
    build: |web| Box::new(Okx { web, directions: directions(PAIRS), delisted: Delisted::default() }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
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
    directions: Vec<CurrencyPair>,
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
struct TickerJson {
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

fn read(page: &Page, name: &str, now: Timestamp) -> Result<Ticker, SourceError> {
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
    let rows: Vec<TickerJson> = serde_json::from_str(data.get()).map_err(SourceError::garbled)?;
    let Some(TickerJson { last, bid_px, ask_px, .. }) = rows.into_iter().find(|row| row.inst_id == name) else {
        return Err(SourceError::garbled("the pair is not in it"));
    };
    Ticker::traded(Some(&last), Some(&bid_px), Some(&ask_px), now)
}

#[cfg(test)]
mod tests;
