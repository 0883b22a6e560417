//! The Bank of Russia: `GET /scripts/XML_daily.asp`, its official rates of the day.
//!
//! Format: <https://www.cbr.ru/development/SXML/>. `<ValCurs Date="02.01.2026"><Valute ID="…"><CharCode>USD</CharCode>
//! <Nominal>1</Nominal><Value>90,1234</Value><VunitRate>90,1234</VunitRate></Valute>…`, in windows-1251, with a comma before
//! the decimals. `Value` is how many roubles `Nominal` units of the currency cost (1, 10, 100 or 10000 of them). The rates
//! of the next day are published in the afternoon of the day before, on working days.
//!
//! No limit is documented; it is asked once an hour. Errors are a status, or HTML.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair, Rate, parse_decimal},
};
use rust_decimal::Decimal;

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
    name: "cbr",
    kind: CourseKind::Fixing,
    url_variable: "CBR_URL",
    default_url: "https://www.cbr.ru",
    period: daily::PERIOD,
    limits: RateLimits { max_requests: 12, window: Duration::from_hours(1), default_backoff: Duration::from_hours(1) },
    build: |client| {
        let pairs = CURRENCIES.iter().map(|currency| pair(currency, "RUB")).collect();
        Box::new(Cbr { client, pairs, daily: Daily::default() })
    },
};

const CURRENCIES: [&str; 34] = [
    "USD", "EUR", "GBP", "CHF", "CNY", "JPY", "TRY", "AUD", "CAD", "NZD", "HKD", "SGD", "INR", "KRW", "IDR", "THB",
    "VND", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "RSD", "ZAR", "BRL", "AED", "KZT", "BYN", "UAH", "AMD",
    "GEL", "UZS",
];
/// The largest number of units that a rate is told of.
const MAX_NOMINAL: u32 = 1_000_000;

struct Cbr {
    client: SourceHttpClient,
    pairs: Vec<CurrencyPair>,
    daily: Daily,
}

/// What stands in one `Valute`.
#[derive(Default)]
struct Row {
    code: String,
    nominal: String,
    value: String,
}

#[async_trait]
impl Source for Cbr {
    delegate_to_definition!();

    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError> {
        if self.daily.is_due() {
            let told = self.client.get("/scripts/XML_daily.asp", request.deadline, parse).await;
            self.daily.took(DEFINITION.name, told, request.now);
        }
        self.daily.answer(&request, &self.pairs)
    }
}

fn parse(response: &HttpResponse) -> Result<Rates, SourceError> {
    let body = &response.require_success()?.body;
    // What is told of the encoding may be wrong; Cyrillic in windows-1251 is no UTF-8.
    let text = match std::str::from_utf8(body) {
        Ok(text) => text.into(),
        Err(_) => encoding_rs::WINDOWS_1251.decode(body).0,
    };
    let (mut rates, mut published, mut row, mut within) = (Rates::new(), None, Row::default(), String::new());
    for piece in pieces(&text)? {
        match piece {
            Piece::Open { name, attributes } => {
                if name == "ValCurs" {
                    let date = attributes.get("Date").map(|date| daily::day(date, "%d.%m.%Y"));
                    published = Some(date.ok_or_else(|| SourceError::invalid_response("it has no day"))??);
                } else if name == "Valute" {
                    row = Row::default();
                }
                within = name;
            }
            Piece::Text(text) => match within.as_str() {
                "CharCode" => row.code = text,
                "Nominal" => row.nominal = text,
                "Value" => row.value = text,
                _ => {}
            },
            Piece::Close { name } if name == "Valute" => {
                let row = std::mem::take(&mut row);
                let (Ok(currency), Some(published)) = (row.code.parse::<Asset>(), published) else { continue };
                if currency != Asset::RUB {
                    let rate = row.rate().map(|rate| (rate, published));
                    rates.entry(CurrencyPair::new(currency, Asset::RUB)).or_insert(rate);
                }
            }
            Piece::Close { .. } => within.clear(),
        }
    }
    if rates.is_empty() {
        return Err(SourceError::invalid_response("it has no rates"));
    }
    Ok(rates)
}

impl Row {
    /// How many roubles one unit costs.
    fn rate(&self) -> Result<Rate, SourceError> {
        let wrong = |what: &str| SourceError::Implausible(format!("{what} cannot be right"));
        // A point is not what is written here: `1.234` may be a thousand.
        if self.value.contains('.') || self.value.matches(',').count() > 1 {
            return Err(wrong("the value"));
        }
        let value = parse_decimal(&self.value.replace(',', ".")).map_err(|_| wrong("the value"))?;
        let nominal = self.nominal.parse::<u32>().ok().filter(|units| (1..=MAX_NOMINAL).contains(units));
        let nominal = nominal.ok_or_else(|| wrong("the nominal"))?;
        let rate = value.checked_div(Decimal::from(nominal)).ok_or_else(|| wrong("the value"))?;
        Rate::rounded_half_even(rate).map_err(|error| SourceError::Implausible(format!("the rate {error}")))
    }
}

#[cfg(test)]
mod tests;
