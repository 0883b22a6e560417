//! The official rates of the Bank of Russia, as <https://www.cbr.ru/development/SXML> has them: XML in windows-1251, with
//! commas in its numbers, prices of ten or ten thousand units at once, and tomorrow's date in the afternoon.

use std::fmt::Write;

use chrono::{Days, NaiveDate};
use common::money::{Asset, CurrencyPair};
use poem::http::StatusCode;
use poem_openapi::{OpenApi, param::Query};

use crate::{
    Simulation,
    market::calendar::{Calendar, days_before},
    call_limits::{CallLimit, Penalty},
    faults::{FaultKind, NumberForm, TimeForm},
    market::UNIT,
    formats::{PriceForm, Price},
    faults::injector::{ErrorFormats, FaultInjector},
    market::exchange_view::ExchangeView,
    response::{Reply, SimulatedResponse},
};

pub(super) const NAME: &str = "cbr";
const XML: &str = "application/xml; charset=windows-1251";
const DECIMALS: u32 = 4;
/// Of what stands beside, the price of one unit.
const FINE_DECIMALS: u32 = 8;

/// Its number in the bank's own books, its number and code by ISO 4217, and its name.
const CURRENCIES: [(&str, &str, &str, &str); 41] = [
    ("R01010", "036", "AUD", "Австралийский доллар"),
    ("R01020A", "944", "AZN", "Азербайджанский манат"),
    ("R01035", "826", "GBP", "Фунт стерлингов"),
    ("R01060", "051", "AMD", "Армянских драмов"),
    ("R01090B", "933", "BYN", "Белорусский рубль"),
    ("R01115", "986", "BRL", "Бразильский реал"),
    ("R01135", "348", "HUF", "Форинтов"),
    ("R01150", "704", "VND", "Донгов"),
    ("R01200", "344", "HKD", "Гонконгский доллар"),
    ("R01210", "981", "GEL", "Лари"),
    ("R01215", "208", "DKK", "Датская крона"),
    ("R01230", "784", "AED", "Дирхам ОАЭ"),
    ("R01235", "840", "USD", "Доллар США"),
    ("R01239", "978", "EUR", "Евро"),
    ("R01240", "818", "EGP", "Египетских фунтов"),
    ("R01270", "356", "INR", "Индийских рупий"),
    ("R01280", "360", "IDR", "Рупий"),
    ("R01300", "376", "ILS", "Новый израильский шекель"),
    ("R01335", "398", "KZT", "Тенге"),
    ("R01350", "124", "CAD", "Канадский доллар"),
    ("R01355", "634", "QAR", "Катарский риал"),
    ("R01375", "156", "CNY", "Юань"),
    ("R01530", "554", "NZD", "Новозеландский доллар"),
    ("R01535", "578", "NOK", "Норвежских крон"),
    ("R01565", "985", "PLN", "Злотый"),
    ("R01585F", "946", "RON", "Румынский лей"),
    ("R01625", "702", "SGD", "Сингапурский доллар"),
    ("R01670", "972", "TJS", "Сомони"),
    ("R01675", "764", "THB", "Батов"),
    ("R01700J", "949", "TRY", "Турецких лир"),
    ("R01710A", "934", "TMT", "Новый туркменский манат"),
    ("R01717", "860", "UZS", "Узбекских сумов"),
    ("R01720", "980", "UAH", "Гривен"),
    ("R01760", "203", "CZK", "Чешских крон"),
    ("R01770", "752", "SEK", "Шведских крон"),
    ("R01775", "756", "CHF", "Швейцарский франк"),
    ("R01805F", "941", "RSD", "Сербских динаров"),
    ("R01810", "710", "ZAR", "Рэндов"),
    ("R01815", "410", "KRW", "Вон"),
    ("R01820", "392", "JPY", "Иен"),
    ("R01840", "484", "MXN", "Мексиканских песо"),
];

const ERROR_FORMATS: ErrorFormats = ErrorFormats {
    refused: |_| Reply::html(429),
    error_500: || Reply::html(500),
    error_in_200: || in_windows_1251("<?xml version=\"1.0\" encoding=\"windows-1251\"?><ValCurs>Error in parameters</ValCurs>"),
    odd_error: || Reply::html(403),
    renamed_keys: &[("CharCode", "Code"), ("VunitRate", "UnitRate"), ("Value>", "Rate>")],
    usage_header: None,
    limit: CallLimit { weight: 60, window: 60, penalty: Penalty::Announced(60) },
};

pub(crate) struct Cbr(FaultInjector);

impl Cbr {
    pub(super) fn new(simulation: &Simulation) -> Self {
        Self(FaultInjector::new(NAME, ERROR_FORMATS, simulation))
    }
}

#[OpenApi]
impl Cbr {
    /// The official rates of the newest day, or of another, as the Bank of Russia tells them, in XML.
    #[oai(path = "/cbr/scripts/XML_daily.asp", method = "get", operation_id = "cbr_daily")]
    async fn daily(
        &self,
        /// A day such as `02/01/2026`.
        date_req: Query<Option<String>>,
    ) -> SimulatedResponse {
        self.0.respond(1, |view| daily(view, date_req.0.as_deref())).await
    }
}

fn daily(view: &ExchangeView<'_>, asked: Option<&str>) -> Reply {
    let newest = view.fixing_day(Calendar::Moscow);
    let fixed = match asked.map(|text| NaiveDate::parse_from_str(text, "%d/%m/%Y")) {
        None => newest,
        // A day's rates were fixed on the working day before.
        Some(Ok(day)) => Calendar::Moscow.working_day_on_or_before(days_before(day, 1).min(newest)),
        Some(Err(_)) => return (ERROR_FORMATS.error_in_200)(),
    };
    let valid = fixed.checked_add_days(Days::new(1)).unwrap_or(fixed);
    let midnight = valid.and_time(chrono::NaiveTime::MIN).and_utc().into();
    let odd = view.is(FaultKind::OddTimes) || view.is(FaultKind::ClockSkew);
    let date = if odd {
        view.time(midnight, TimeForm::Date, false).map(|date| format!(" Date=\"{}\"", date.into_text()))
    } else {
        Some(format!(" Date=\"{}\"", valid.format("%d.%m.%Y")))
    };
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"windows-1251\"?><ValCurs{} name=\"Foreign Currency Market\">",
        date.unwrap_or_default()
    );
    for (id, number, code, name) in CURRENCIES {
        if let Some((nominal, value, unit)) = rate(view, fixed, code) {
            // Writing to text does not fail.
            let _ = write!(
                xml,
                "<Valute ID=\"{id}\"><NumCode>{number}</NumCode><CharCode>{code}</CharCode><Nominal>{nominal}</Nominal>\
                 <Name>{name}</Name><Value>{value}</Value><VunitRate>{unit}</VunitRate></Valute>"
            );
        }
    }
    xml.push_str("</ValCurs>");
    in_windows_1251(&xml)
}

/// How many units are priced at once, so that the price is above one rouble; their price, and the price of one.
fn rate(view: &ExchangeView<'_>, day: NaiveDate, code: &str) -> Option<(i64, String, String)> {
    let direction = CurrencyPair::new(code.parse().ok()?, Asset::RUB);
    let fixing = view.market.fixing(direction, day)?;
    let nominal = [1, 10, 100, 1_000].into_iter().find(|nominal| fixing * nominal >= 10 * UNIT).unwrap_or(10_000);
    let nominal = if fixing >= 5 * UNIT { 1 } else { nominal };
    // In steps that give the price of all of them four decimals.
    let tick = (super::tick(DECIMALS) / nominal).max(1);
    let price = view.fixing(day, direction, tick)?;
    let all = Price { units: price.units * nominal, ..price };
    let one = comma(price, FINE_DECIMALS);
    let one = one.trim_end_matches('0').trim_end_matches(',').to_owned();
    Some((nominal, comma(all, DECIMALS), one))
}

/// A comma is how a number is written here; a point, and whatever else there is, is odd.
fn comma(price: Price, decimals: u32) -> String {
    match price.form {
        PriceForm::Plain => Price { form: PriceForm::Odd(NumberForm::DecimalComma), ..price }.text(decimals).into_text(),
        PriceForm::Odd(NumberForm::DecimalComma) => Price { form: PriceForm::Plain, ..price }.text(decimals).into_text(),
        PriceForm::Null | PriceForm::Odd(_) => price.text(decimals).into_text(),
    }
}

fn in_windows_1251(xml: &str) -> Reply {
    let (bytes, ..) = encoding_rs::WINDOWS_1251.encode(xml);
    Reply::bytes(StatusCode::OK, XML, bytes.into_owned())
}

#[cfg(test)]
mod tests;
