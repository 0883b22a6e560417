//! The European Central Bank: `GET /stats/eurofxref/eurofxref-daily.xml` returns the euro reference rates of the day.
//!
//! Format: <https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/>. Three nested
//! elements are all called `Cube`: `<Cube time='2026-01-02'><Cube currency='USD' rate='1.0834'/>…`. A rate is the price
//! of one euro in the currency. The document does not list the euro. It has not listed the rouble since March 2022.
//!
//! The bank publishes the rates at about 16:00 Frankfurt time on working days. On weekends and holidays it serves the
//! last rates. It documents no request limit. An error is an HTTP status.
//!
//! The rates are published for information, with attribution. The bank advises against using them for transactions: see
//! docs/price-sources.md.

use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair},
};

use super::ticker::parse_rounded;
use super::{
    SourceDefinition, SourceError,
    daily_rates::{self, DailyRate, DailyRates, DailyRatesAdapter, parse_day},
    http_client::HttpResponse,
    pair,
    xml::{XmlEvent, parse_events},
};

pub(super) const DEFINITION: SourceDefinition = SourceDefinition {
    name: "ecb",
    kind: CourseKind::Fixing,
    url_variable: "ECB_URL",
    default_url: "https://www.ecb.europa.eu",
    poll_interval: daily_rates::POLL_INTERVAL,
    rate_limits: daily_rates::RATE_LIMITS,
    pairs: || CURRENCIES.iter().map(|currency| pair("EUR", currency)).collect(),
    adapter: || Box::new(DailyRatesAdapter::new("ecb", "/stats/eurofxref/eurofxref-daily.xml", parse)),
};

const CURRENCIES: [&str; 29] = [
    "USD", "JPY", "CZK", "DKK", "GBP", "HUF", "PLN", "RON", "SEK", "CHF", "ISK", "NOK", "TRY", "AUD", "BRL", "CAD",
    "CNY", "HKD", "IDR", "ILS", "INR", "KRW", "MXN", "MYR", "NZD", "PHP", "SGD", "THB", "ZAR",
];

fn parse(response: &HttpResponse) -> Result<DailyRates, SourceError> {
    let (mut rates, mut day) = (DailyRates::new(), None);
    for event in parse_events(response.require_success()?.text()?)? {
        let XmlEvent::Start { name, attributes } = event else { continue };
        if name != "Cube" {
            continue;
        }
        if let Some(time) = attributes.get("time") {
            // Only the first day is read. The bank also publishes a document of 90 days, which lists the newest day
            // first.
            if day.replace(parse_day(time, "%Y-%m-%d")?).is_some() {
                break;
            }
        }
        let row = (attributes.get("currency"), attributes.get("rate"), day);
        let (Some(currency), Some(rate), Some(day)) = row else { continue };
        let Ok(currency) = currency.parse() else { continue };
        let rate = parse_rounded("reference", &rate.as_str().into()).map(|rate| DailyRate { rate, day });
        rates.entry(CurrencyPair::new(Asset::EUR, currency)).or_insert(rate);
    }
    if rates.is_empty() {
        return Err(SourceError::invalid_response("it has no rates"));
    }
    Ok(rates)
}

#[cfg(test)]
mod tests;
