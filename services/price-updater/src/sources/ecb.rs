//! The European Central Bank: `GET /stats/eurofxref/eurofxref-daily.xml`, the reference rates of the day.
//!
//! Format: <https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/>. Three nested elements
//! with the one name `Cube`: `<Cube time='2026-01-02'><Cube currency='USD' rate='1.0834'/>…`. A rate is how many units of
//! the currency one euro costs; the euro itself is not listed, and roubles have not been since March 2022.
//!
//! Published about 16:00 in Frankfurt on working days; weekends and holidays answer the last one. No limit is documented;
//! it is asked once an hour. Errors are a status. Published for information, to be named as the source, and the bank advises
//! against using them for transactions: docs/price-sources.md.

use std::time::Duration;

use async_trait::async_trait;
use common::{api::courses::CourseKind, money::CurrencyPair};

use super::ticker::rounded;
use super::{
    PollReply, PollRequest, Source, SourceDefinition, SourceError,
    budget::RateLimits,
    daily::{self, Daily, Rates},
    delegate_to_definition,
    http_client::{HttpResponse, SourceHttpClient},
    pair,
    xml::{Piece, pieces},
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "ecb",
    kind: CourseKind::Fixing,
    url_variable: "ECB_URL",
    default_url: "https://www.ecb.europa.eu",
    period: daily::PERIOD,
    limits: RateLimits { max_requests: 12, window: Duration::from_hours(1), default_backoff: Duration::from_hours(1) },
    build: |client| {
        let pairs = CURRENCIES.iter().map(|currency| pair("EUR", currency)).collect();
        Box::new(Ecb { client, pairs, daily: Daily::default() })
    },
};

const CURRENCIES: [&str; 29] = [
    "USD", "JPY", "CZK", "DKK", "GBP", "HUF", "PLN", "RON", "SEK", "CHF", "ISK", "NOK", "TRY", "AUD", "BRL", "CAD",
    "CNY", "HKD", "IDR", "ILS", "INR", "KRW", "MXN", "MYR", "NZD", "PHP", "SGD", "THB", "ZAR",
];

struct Ecb {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
    daily: Daily,
}

#[async_trait]
impl Source for Ecb {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        if self.daily.is_due() {
            let told = self.client.get("/stats/eurofxref/eurofxref-daily.xml", request.deadline, parse).await;
            self.daily.took(DEFINITION.name, told, request.now);
        }
        self.daily.answer(&request, &self.pairs)
    }
}

fn parse(response: &HttpResponse) -> Result<Rates, SourceError> {
    let (mut rates, mut published) = (Rates::new(), None);
    for piece in pieces(response.require_success()?.text()?)? {
        let Piece::Open { name, attributes } = piece else { continue };
        if name != "Cube" {
            continue;
        }
        if let Some(time) = attributes.get("time") {
            // A second one would be an earlier day, as in the file of three months.
            if published.replace(daily::day(time, "%Y-%m-%d")?).is_some() {
                break;
            }
        }
        let row = (attributes.get("currency"), attributes.get("rate"), published);
        let (Some(currency), Some(rate), Some(published)) = row else { continue };
        let Ok(currency) = currency.parse() else { continue };
        let rate = rounded("reference", &rate.as_str().into()).map(|rate| (rate, published));
        rates.entry(CurrencyPair::new(common::money::Asset::EUR, currency)).or_insert(rate);
    }
    if rates.is_empty() {
        return Err(SourceError::invalid_response("it has no rates"));
    }
    Ok(rates)
}

#[cfg(test)]
mod tests;
