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

use super::ticker::Ticker;
use super::{
    EXCHANGE_PERIOD, PollReply, PollRequest, Source, SourceDefinition, SourceError,
    budget::RateLimits,
    delegate_to_definition,
    delisted::Delisted,
    http_client::{HttpResponse, SourceHttpClient},
    pair, pairs, requested,
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "okx",
    kind: CourseKind::Trade,
    url_variable: "OKX_URL",
    default_url: "https://www.okx.com",
    period: EXCHANGE_PERIOD,
    limits: RateLimits { max_requests: 16, window: Duration::from_secs(2), default_backoff: Duration::from_secs(10) },
    build: |client| Box::new(Okx { client, pairs: pairs(PAIRS), delisted: Delisted::default() }),
};

const PAIRS: &[(CurrencyPair, &str)] = &[
    (pair("BTC", "USDT"), "BTC-USDT"),
    (pair("BTC", "USD"), "BTC-USD"),
    (pair("BTC", "EUR"), "BTC-EUR"),
    (pair("ETH", "USDT"), "ETH-USDT"),
    (pair("ETH", "USD"), "ETH-USD"),
    (pair("ETH", "EUR"), "ETH-EUR"),
    (pair("USDT", "USD"), "USDT-USD"),
    (pair("USDT", "EUR"), "USDT-EUR"),
];

struct Okx {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
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
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        let mut answer = PollReply::default();
        let pages =
            self.delisted.without(requested(&request, PAIRS), &mut answer).into_iter().map(async |(pair, name)| {
                let path = format!("/api/v5/market/ticker?instId={name}");
                (pair, self.client.get(&path, request.deadline, |response| parse(response, name, request.now)).await)
            });
        for (pair, told) in join_all(pages).await {
            answer.simulated |= told.as_ref().is_ok_and(|told| told.simulated);
            self.delisted.heed(pair, &told);
            answer.put(pair, told.map(|fetched| fetched.value));
        }
        Ok(answer)
    }
}

fn parse(response: &HttpResponse, name: &str, now: Timestamp) -> Result<Ticker, SourceError> {
    let Ok(Reply { code, msg, data }) = response.reject_rate_limited()?.json() else {
        response.require_success()?;
        return Err(SourceError::invalid_response("it has no code"));
    };
    match code.get().trim_matches('"') {
        "0" => {}
        "50011" => return Err(SourceError::RateLimited { retry_after: response.retry_after }),
        "51001" => return Err(SourceError::UnknownPair),
        code => return Err(SourceError::refused(&format!("{code}: {msg}"))),
    }
    let data = response.require_success().and(data.ok_or_else(|| SourceError::invalid_response("it has no data")))?;
    let rows: Vec<TickerJson> = serde_json::from_str(data.get()).map_err(SourceError::invalid_response)?;
    let Some(TickerJson { last, bid_px, ask_px, .. }) = rows.into_iter().find(|row| row.inst_id == name) else {
        return Err(SourceError::invalid_response("the pair is not in it"));
    };
    Ticker::traded(Some(&last), Some(&bid_px), Some(&ask_px), now)
}

#[cfg(test)]
mod tests;
