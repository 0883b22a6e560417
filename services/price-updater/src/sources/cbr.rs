//! The Bank of Russia: `GET /scripts/XML_daily.asp` returns its official rates of the day.
//!
//! Format: <https://www.cbr.ru/development/SXML/>. `<ValCurs Date="02.01.2026"><Valute ID="…"><CharCode>USD</CharCode>
//! <Nominal>1</Nominal><Value>90,1234</Value><VunitRate>90,1234</VunitRate></Valute>…`. The encoding is windows-1251,
//! and the decimal separator is a comma. `Value` is the price in roubles of `Nominal` units of the currency: 1, 10,
//! 100, 1000 or 10000.
//!
//! The bank publishes rates on working days, in the afternoon before the day for which the rates are valid. It
//! documents no request limit. An error is an HTTP status or an HTML page.

use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair, Rate, parse_decimal},
};
use rust_decimal::Decimal;

use super::{
    SourceDefinition, SourceError,
    daily_rates::{self, DailyRate, DailyRates, DailyRatesAdapter, parse_day},
    http_client::HttpResponse,
    pair,
    xml::{XmlEvent, parse_events},
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "cbr",
    kind: CourseKind::Fixing,
    url_variable: "CBR_URL",
    default_url: "https://www.cbr.ru",
    poll_interval: daily_rates::POLL_INTERVAL,
    rate_limits: daily_rates::RATE_LIMITS,
    pairs: || CURRENCIES.iter().map(|currency| pair(currency, "RUB")).collect(),
    adapter: || Box::new(DailyRatesAdapter::new("cbr", "/scripts/XML_daily.asp", parse)),
};

const CURRENCIES: [&str; 34] = [
    "USD", "EUR", "GBP", "CHF", "CNY", "JPY", "TRY", "AUD", "CAD", "NZD", "HKD", "SGD", "INR", "KRW", "IDR", "THB",
    "VND", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "RSD", "ZAR", "BRL", "AED", "KZT", "BYN", "UAH", "AMD",
    "GEL", "UZS",
];
/// Maximum accepted `Nominal`.
const MAX_NOMINAL: u32 = 1_000_000;

/// The texts of one `Valute` element.
#[derive(Default)]
struct Row {
    code: String,
    nominal: String,
    value: String,
}

fn parse(response: &HttpResponse) -> Result<DailyRates, SourceError> {
    let body = &response.require_success()?.body;
    // The declared encoding can be wrong. Cyrillic words in windows-1251 are not valid UTF-8.
    let text = match std::str::from_utf8(body) {
        Ok(text) => text.into(),
        Err(_) => encoding_rs::WINDOWS_1251.decode(body).0,
    };
    let (mut rates, mut day, mut row, mut element) = (DailyRates::new(), None, Row::default(), String::new());
    for event in parse_events(&text)? {
        match event {
            XmlEvent::Start { name, attributes } => {
                if name == "ValCurs" {
                    let date = attributes.get("Date").map(|date| parse_day(date, "%d.%m.%Y"));
                    day = Some(date.ok_or_else(|| SourceError::invalid_response("it has no date"))??);
                } else if name == "Valute" {
                    row = Row::default();
                }
                element = name;
            }
            XmlEvent::Text(text) => match element.as_str() {
                "CharCode" => row.code = text,
                "Nominal" => row.nominal = text,
                "Value" => row.value = text,
                _ => {}
            },
            XmlEvent::End { name } if name == "Valute" => {
                let row = std::mem::take(&mut row);
                let (Ok(currency), Some(day)) = (row.code.parse::<Asset>(), day) else { continue };
                if currency != Asset::RUB {
                    let rate = row.rate().map(|rate| DailyRate { rate, day });
                    rates.entry(CurrencyPair::new(currency, Asset::RUB)).or_insert(rate);
                }
            }
            XmlEvent::End { .. } => element.clear(),
        }
    }
    if rates.is_empty() {
        return Err(SourceError::invalid_response("it has no rates"));
    }
    Ok(rates)
}

impl Row {
    /// The price of one unit in roubles.
    fn rate(&self) -> Result<Rate, SourceError> {
        let invalid = |field: &str, text: &str| SourceError::implausible(format_args!("{field} is {text:?}"));
        let invalid_value = || invalid("Value", &self.value);
        // A point is ambiguous: `1.234` could mean 1234.
        if self.value.contains('.') || self.value.matches(',').count() > 1 {
            return Err(invalid_value());
        }
        let value = parse_decimal(&self.value.replace(',', ".")).map_err(|_| invalid_value())?;
        let nominal = self.nominal.parse::<u32>().ok().filter(|units| (1..=MAX_NOMINAL).contains(units));
        let nominal = nominal.ok_or_else(|| invalid("Nominal", &self.nominal))?;
        let rate = value.checked_div(Decimal::from(nominal)).ok_or_else(invalid_value)?;
        Rate::rounded_half_even(rate).map_err(|error| SourceError::implausible(format_args!("the rate {error}")))
    }
}

#[cfg(test)]
mod tests;
