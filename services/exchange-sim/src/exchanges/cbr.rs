//! The official rates of the Bank of Russia, as documented at <https://www.cbr.ru/development/SXML>: XML in windows-1251.
//! Numbers have decimal commas. A price can be for up to ten thousand units. From the afternoon on, the document has the
//! date of the next day.

use std::fmt::Write;

use chrono::{Days, NaiveDate, NaiveTime};
use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};

use crate::{
    exchange_view::ExchangeView,
    fault_injector::{ErrorFormats, FaultInjector},
    faults::FaultKind,
    formats::{JsonType, JsonValue, NumberFormat, Price, PriceFormat, TimeFormat},
    market::{
        calendar::{Calendar, days_before},
        units::{UNIT, Units, tick_size},
    },
    rate_limits::{Penalty, RateLimit},
    response::{Reply, SimulatedXml},
};

pub(super) const NAME: &str = "cbr";
const XML: &str = "application/xml; charset=windows-1251";
/// The decimals of `Value`, the price of `Nominal` units.
const DECIMALS: u32 = 4;
/// The decimals of `VunitRate`, the price of one unit.
const UNIT_RATE_DECIMALS: u32 = 8;

/// A currency: the bank's own id, the ISO 4217 number and code, and the Russian name.
struct Currency {
    id: &'static str,
    number: &'static str,
    code: &'static str,
    name: &'static str,
}

const CURRENCIES: [Currency; 41] = [
    Currency { id: "R01010", number: "036", code: "AUD", name: "Австралийский доллар" },
    Currency { id: "R01020A", number: "944", code: "AZN", name: "Азербайджанский манат" },
    Currency { id: "R01035", number: "826", code: "GBP", name: "Фунт стерлингов" },
    Currency { id: "R01060", number: "051", code: "AMD", name: "Армянских драмов" },
    Currency { id: "R01090B", number: "933", code: "BYN", name: "Белорусский рубль" },
    Currency { id: "R01115", number: "986", code: "BRL", name: "Бразильский реал" },
    Currency { id: "R01135", number: "348", code: "HUF", name: "Форинтов" },
    Currency { id: "R01150", number: "704", code: "VND", name: "Донгов" },
    Currency { id: "R01200", number: "344", code: "HKD", name: "Гонконгский доллар" },
    Currency { id: "R01210", number: "981", code: "GEL", name: "Лари" },
    Currency { id: "R01215", number: "208", code: "DKK", name: "Датская крона" },
    Currency { id: "R01230", number: "784", code: "AED", name: "Дирхам ОАЭ" },
    Currency { id: "R01235", number: "840", code: "USD", name: "Доллар США" },
    Currency { id: "R01239", number: "978", code: "EUR", name: "Евро" },
    Currency { id: "R01240", number: "818", code: "EGP", name: "Египетских фунтов" },
    Currency { id: "R01270", number: "356", code: "INR", name: "Индийских рупий" },
    Currency { id: "R01280", number: "360", code: "IDR", name: "Рупий" },
    Currency { id: "R01300", number: "376", code: "ILS", name: "Новый израильский шекель" },
    Currency { id: "R01335", number: "398", code: "KZT", name: "Тенге" },
    Currency { id: "R01350", number: "124", code: "CAD", name: "Канадский доллар" },
    Currency { id: "R01355", number: "634", code: "QAR", name: "Катарский риал" },
    Currency { id: "R01375", number: "156", code: "CNY", name: "Юань" },
    Currency { id: "R01530", number: "554", code: "NZD", name: "Новозеландский доллар" },
    Currency { id: "R01535", number: "578", code: "NOK", name: "Норвежских крон" },
    Currency { id: "R01565", number: "985", code: "PLN", name: "Злотый" },
    Currency { id: "R01585F", number: "946", code: "RON", name: "Румынский лей" },
    Currency { id: "R01625", number: "702", code: "SGD", name: "Сингапурский доллар" },
    Currency { id: "R01670", number: "972", code: "TJS", name: "Сомони" },
    Currency { id: "R01675", number: "764", code: "THB", name: "Батов" },
    Currency { id: "R01700J", number: "949", code: "TRY", name: "Турецких лир" },
    Currency { id: "R01710A", number: "934", code: "TMT", name: "Новый туркменский манат" },
    Currency { id: "R01717", number: "860", code: "UZS", name: "Узбекских сумов" },
    Currency { id: "R01720", number: "980", code: "UAH", name: "Гривен" },
    Currency { id: "R01760", number: "203", code: "CZK", name: "Чешских крон" },
    Currency { id: "R01770", number: "752", code: "SEK", name: "Шведских крон" },
    Currency { id: "R01775", number: "756", code: "CHF", name: "Швейцарский франк" },
    Currency { id: "R01805F", number: "941", code: "RSD", name: "Сербских динаров" },
    Currency { id: "R01810", number: "710", code: "ZAR", name: "Рэндов" },
    Currency { id: "R01815", number: "410", code: "KRW", name: "Вон" },
    Currency { id: "R01820", number: "392", code: "JPY", name: "Иен" },
    Currency { id: "R01840", number: "484", code: "MXN", name: "Мексиканских песо" },
];

pub(super) const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    rate_limited: |_| Reply::html(429),
    error_500: || Reply::html(500),
    error_in_200: invalid_parameters,
    unusual_error: || Reply::html(403),
    renamed_keys: &[("CharCode", "Code"), ("VunitRate", "UnitRate"), ("Value>", "Rate>")],
    usage_header: None,
};

pub(super) const RATE_LIMIT: RateLimit =
    RateLimit { max_weight: 60, window_secs: 60, penalty: Penalty::BanWithRetryAfter { seconds: 60 } };

pub(crate) struct Cbr(pub(super) FaultInjector);

#[OpenApi]
impl Cbr {
    /// The official rates of a day, in the Bank of Russia's format (XML).
    #[oai(path = "/cbr/scripts/XML_daily.asp", method = "get", operation_id = "cbr_daily")]
    async fn daily(
        &self,
        /// A day such as `02/01/2026`. The default is the newest day.
        date_req: Query<Option<String>>,
    ) -> SimulatedXml {
        SimulatedXml(self.0.respond(1, |view| daily(view, date_req.0.as_deref())).await)
    }
}

fn daily(view: &ExchangeView<'_>, requested_day: Option<&str>) -> Reply {
    let newest = view.fixing_day(Calendar::Moscow);
    let fixing_day = match requested_day.map(|text| NaiveDate::parse_from_str(text, "%d/%m/%Y")) {
        None => newest,
        // The rates of a day were fixed on the previous working day.
        Some(Ok(day)) => Calendar::Moscow.working_day_on_or_before(days_before(day, 1).min(newest)),
        Some(Err(_)) => return invalid_parameters(),
    };
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"windows-1251\"?><ValCurs{} name=\"Foreign Currency Market\">",
        date_attribute(view, fixing_day)
    );
    for Currency { id, number, code, name } in CURRENCIES {
        if let Some(Rate { nominal, value, per_unit }) = rate(view, fixing_day, code) {
            // Writing to a `String` cannot fail.
            let _ = write!(
                xml,
                "<Valute ID=\"{id}\"><NumCode>{number}</NumCode><CharCode>{code}</CharCode><Nominal>{nominal}</Nominal>\
                 <Name>{name}</Name><Value>{value}</Value><VunitRate>{per_unit}</VunitRate></Valute>"
            );
        }
    }
    xml.push_str("</ValCurs>");
    in_windows_1251(&xml)
}

/// The attribute `Date` with the day after the fixing, on which the rates are valid. Empty if a fault omits times.
fn date_attribute(view: &ExchangeView<'_>, fixing_day: NaiveDate) -> String {
    let valid_day = fixing_day.checked_add_days(Days::new(1)).unwrap_or(fixing_day);
    let date = if view.has_fault(FaultKind::OddTimes) || view.has_fault(FaultKind::ClockSkew) {
        let midnight = valid_day.and_time(NaiveTime::MIN).and_utc().into();
        view.format_time(midnight, TimeFormat::Date, JsonType::Number).map(JsonValue::into_text)
    } else {
        Some(valid_day.format("%d.%m.%Y").to_string())
    };
    date.map(|date| format!(" Date=\"{date}\"")).unwrap_or_default()
}

struct Rate {
    /// The number of units whose price is `value`. This number is large for currencies of low value.
    nominal: i64,
    value: String,
    /// The price of one unit.
    per_unit: String,
}

fn rate(view: &ExchangeView<'_>, day: NaiveDate, code: &str) -> Option<Rate> {
    let pair = CurrencyPair::new(code.parse().ok()?, Asset::RUB);
    let nominal = nominal(view.market.fixing(pair, day)?);
    // With this tick, the price of `nominal` units has four decimals.
    let tick = (tick_size(DECIMALS) / nominal).max(1);
    let price = view.fixing(day, pair, tick)?;
    let value = Price { units: price.units * nominal, ..price };
    let per_unit = with_comma(price, UNIT_RATE_DECIMALS);
    let per_unit = per_unit.trim_end_matches('0').trim_end_matches(',').to_owned();
    Some(Rate { nominal, value: with_comma(value, DECIMALS), per_unit })
}

/// The number of units for which a rate is published. One if a unit costs at least five roubles. Otherwise the smallest
/// of 10, 100 and 1000 units that cost at least ten roubles, or else 10000.
fn nominal(fixing: Units) -> i64 {
    if fixing >= 5 * UNIT {
        return 1;
    }
    [10, 100, 1_000].into_iter().find(|nominal| fixing * nominal >= 10 * UNIT).unwrap_or(10_000)
}

/// Formats a price with a decimal comma, which is the bank's usual format. The format `decimal_comma` of the fault
/// `odd_numbers` therefore becomes a decimal point.
fn with_comma(price: Price, decimals: u32) -> String {
    let format = match price.format {
        PriceFormat::Plain => PriceFormat::Unusual(NumberFormat::DecimalComma),
        PriceFormat::Unusual(NumberFormat::DecimalComma) => PriceFormat::Plain,
        other => other,
    };
    Price { format, ..price }.text(decimals).into_text()
}

fn invalid_parameters() -> Reply {
    in_windows_1251("<?xml version=\"1.0\" encoding=\"windows-1251\"?><ValCurs>Error in parameters</ValCurs>")
}

fn in_windows_1251(xml: &str) -> Reply {
    let (bytes, ..) = encoding_rs::WINDOWS_1251.encode(xml);
    Reply::bytes(StatusCode::OK, XML, bytes.into_owned())
}

#[cfg(test)]
mod tests;
