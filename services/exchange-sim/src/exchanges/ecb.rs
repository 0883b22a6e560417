//! The reference rates of the European Central Bank, as documented at
//! <https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates>: the price of a euro on one
//! day, in XML. The rouble has been missing since March 2022.

use std::fmt::Write;

use chrono::{NaiveDate, NaiveTime};
use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::OpenApi;

use crate::{
    exchange_view::{ExchangeView, fixing_decimals},
    fault_injector::{ErrorFormats, FaultInjector},
    formats::{JsonType, TimeFormat},
    market::{calendar::Calendar, units::tick_size},
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedXml},
};

pub(super) const NAME: &str = "ecb";
const XML: &str = "text/xml";

/// The currencies, in the order of the document.
pub(super) const CURRENCIES: [&str; 29] = [
    "USD", "JPY", "CZK", "DKK", "GBP", "HUF", "PLN", "RON", "SEK", "CHF", "ISK", "NOK", "TRY", "AUD", "BRL", "CAD",
    "CNY", "HKD", "IDR", "ILS", "INR", "KRW", "MXN", "MYR", "NZD", "PHP", "SGD", "THB", "ZAR",
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| Reply::html(429),
    error_500: || Reply::html(500),
    error_in_200: || Reply::html(503).with_status(StatusCode::OK),
    unusual_error: || Reply::raw_json(StatusCode::NOT_FOUND, r#"{"error":"not found"}"#),
    renamed_keys: &[("currency=", "code="), ("rate=", "value=")],
    usage_header: None,
};

pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 60, window_secs: 60, penalty: Penalty::BanWithRetryAfter { seconds: 60 } };

pub(crate) struct Ecb(pub(super) FaultInjector);

#[OpenApi]
impl Ecb {
    /// The newest reference rates, in the ECB's format (XML).
    #[oai(path = "/ecb/stats/eurofxref/eurofxref-daily.xml", method = "get", operation_id = "ecb_daily")]
    async fn daily(&self) -> SimulatedXml {
        SimulatedXml(self.0.respond(1, daily).await)
    }
}

fn daily(view: &ExchangeView<'_>) -> Reply {
    let day = view.fixing_day(Calendar::Target);
    let midnight = day.and_time(NaiveTime::MIN).and_utc().into();
    let time = view.format_time(midnight, TimeFormat::Date, JsonType::Number);
    let time = time.map(|day| format!(" time='{}'", day.into_text()));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gesmes:Envelope \
         xmlns:gesmes=\"http://www.gesmes.org/xml/2002-08-01\" \
         xmlns=\"http://www.ecb.int/vocabulary/2002-08-01/eurofxref\">\n\t<gesmes:subject>Reference \
         rates</gesmes:subject>\n\t<gesmes:Sender>\n\t\t<gesmes:name>European Central \
         Bank</gesmes:name>\n\t</gesmes:Sender>\n\t<Cube>\n\t\t<Cube{}>\n",
        time.unwrap_or_default()
    );
    for currency in CURRENCIES {
        if let Some(rate) = euro_rate(view, day, currency) {
            // Writing to a `String` cannot fail.
            let _ = writeln!(xml, "\t\t\t<Cube currency='{currency}' rate='{rate}'/>");
        }
    }
    xml.push_str("\t\t</Cube>\n\t</Cube>\n</gesmes:Envelope>\n");
    Reply::text(StatusCode::OK, XML, xml)
}

/// The price of one euro on a day. `None` if a fault unlists the pair.
fn euro_rate(view: &ExchangeView<'_>, day: NaiveDate, currency: &str) -> Option<String> {
    let pair = CurrencyPair::new(Asset::EUR, currency.parse().ok()?);
    let decimals = fixing_decimals(view.market.fixing(pair, day)?);
    Some(view.fixing(day, pair, tick_size(decimals))?.text(decimals).into_text())
}

#[cfg(test)]
mod tests;
