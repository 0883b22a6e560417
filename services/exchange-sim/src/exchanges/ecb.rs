//! The reference rates of the European Central Bank, as
//! <https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates> has them: what a euro costs, a
//! day at a time, and no rouble since March 2022.

use std::fmt::Write;

use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::OpenApi;

use crate::{
    Simulation,
    market::calendar::Calendar,
    call_limits::{CallLimit, Penalty},
    faults::TimeForm,
    market::Units,
    formats::Price,
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::{ExchangeView, fixing_decimals},
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "ecb";
const XML: &str = "text/xml";

/// In the order that they are told in.
pub(super) const CURRENCIES: [&str; 29] = [
    "USD", "JPY", "CZK", "DKK", "GBP", "HUF", "PLN", "RON", "SEK", "CHF", "ISK", "NOK", "TRY", "AUD", "BRL", "CAD", "CNY",
    "HKD", "IDR", "ILS", "INR", "KRW", "MXN", "MYR", "NZD", "PHP", "SGD", "THB", "ZAR",
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| Reply::html(429),
    error_500: || Reply::html(500),
    error_in_200: || Reply::html(503).with_status(StatusCode::OK),
    odd_error: || Reply::raw(StatusCode::NOT_FOUND, r#"{"error":"not found"}"#),
    renamed_keys: &[("currency=", "code="), ("rate=", "value=")],
    usage_header: None,
    limit: CallLimit { weight: 60, window: 60, penalty: Penalty::Announced(60) },
};

pub(crate) struct Ecb(FaultInjector);

impl Ecb {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Ecb {
    /// The reference rates of the newest day, as the ECB tells them, in XML.
    #[oai(path = "/ecb/stats/eurofxref/eurofxref-daily.xml", method = "get", operation_id = "ecb_daily")]
    async fn daily(&self) -> SimulatedResponse {
        self.0.respond(1, daily).await
    }
}

/// What one euro costs on a day, with as many digits as a bank tells; its decimals too.
pub(super) fn euro(view: &ExchangeView<'_>, day: chrono::NaiveDate, currency: &str) -> Option<(Price, u32)> {
    let direction = CurrencyPair::new(Asset::EUR, currency.parse().ok()?);
    let decimals = fixing_decimals(view.market.fixing(direction, day)?);
    let tick: Units = super::tick(decimals);
    view.fixing(day, direction, tick).map(|price| (price, decimals))
}

fn daily(view: &ExchangeView<'_>) -> Reply {
    let day = view.fixing_day(Calendar::Target);
    let noon = day.and_time(chrono::NaiveTime::MIN).and_utc().into();
    let time = view.time(noon, TimeForm::Date, false).map(|day| format!(" time='{}'", day.into_text()));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gesmes:Envelope \
         xmlns:gesmes=\"http://www.gesmes.org/xml/2002-08-01\" \
         xmlns=\"http://www.ecb.int/vocabulary/2002-08-01/eurofxref\">\n\t<gesmes:subject>Reference \
         rates</gesmes:subject>\n\t<gesmes:Sender>\n\t\t<gesmes:name>European Central \
         Bank</gesmes:name>\n\t</gesmes:Sender>\n\t<Cube>\n\t\t<Cube{}>\n",
        time.unwrap_or_default()
    );
    for currency in CURRENCIES {
        if let Some((price, decimals)) = euro(view, day, currency) {
            let rate = price.text(decimals).into_text();
            // Writing to text does not fail.
            let _ = writeln!(xml, "\t\t\t<Cube currency='{currency}' rate='{rate}'/>");
        }
    }
    xml.push_str("\t\t</Cube>\n\t</Cube>\n</gesmes:Envelope>\n");
    Reply::text(StatusCode::OK, XML, xml)
}

#[cfg(test)]
mod tests;
