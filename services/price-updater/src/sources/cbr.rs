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
    money::{Asset, Direction, Rate, parse_decimal},
};
use rust_decimal::Decimal;

use super::{
    Answer, Ask, BuiltIn, Source, SourceError, as_built_in,
    budget::Limits,
    daily::{self, Daily, Rates},
    direction,
    web::{Page, Web},
    xml::{Piece, pieces},
};

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "cbr",
    kind: CourseKind::Fixing,
    url_variable: "CBR_URL",
    default_url: "https://www.cbr.ru",
    period: daily::PERIOD,
    limits: Limits { calls: 12, window: Duration::from_hours(1), pause: Duration::from_hours(1) },
    build: |web| {
        let directions = CURRENCIES.iter().map(|currency| direction(currency, "RUB")).collect();
        Box::new(Cbr { web, directions, daily: Daily::default() })
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
    web: Web,
    directions: Vec<Direction>,
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
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        if self.daily.is_due() {
            let told = self.web.get("/scripts/XML_daily.asp", ask.deadline, read).await;
            self.daily.took(BUILT_IN.name, told, ask.now);
        }
        self.daily.answer(&ask, &self.directions)
    }
}

fn read(page: &Page) -> Result<Rates, SourceError> {
    let body = &page.success()?.body;
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
                    published = Some(date.ok_or_else(|| SourceError::garbled("it has no day"))??);
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
                    rates.entry(Direction::new(currency, Asset::RUB)).or_insert(rate);
                }
            }
            Piece::Close { .. } => within.clear(),
        }
    }
    if rates.is_empty() {
        return Err(SourceError::garbled("it has no rates"));
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
mod tests {
    use common::time::Timestamp;

    use super::*;
    use crate::sources::{
        testing::{ask_all, now, played},
        transport::RawPage,
    };

    const DAILY: &str = r#"<?xml version="1.0" encoding="windows-1251"?><ValCurs Date="02.01.2026" name="Foreign Currency Market">
        <Valute ID="R01235"><NumCode>840</NumCode><CharCode>USD</CharCode><Nominal>1</Nominal><Name>Доллар США</Name>
            <Value>90,1234</Value><VunitRate>90,1234</VunitRate></Valute>
        <Valute ID="R01815"><NumCode>410</NumCode><CharCode>KRW</CharCode><Nominal>1000</Nominal><Name>Вон</Name>
            <Value>62,1505</Value><VunitRate>0,0621505</VunitRate></Valute>
        <Valute><CharCode>EUR</CharCode><Nominal>1</Nominal><Value>1.090,50</Value></Valute>
        <Valute><CharCode>GBP</CharCode><Nominal>0</Nominal><Value>110,5</Value></Valute>
        <Valute><CharCode>CHF</CharCode><Nominal>1</Nominal><Value>-1,5</Value></Valute>
        <Valute><CharCode>JPY</CharCode><Nominal>100</Nominal></Valute>
        <Valute><CharCode>CNY</CharCode><Nominal>1</Nominal><Value>1,234,5</Value></Valute></ValCurs>"#;

    fn read_text(status: u16, body: &str) -> Result<Rates, SourceError> {
        read(&Page::of(status, body))
    }

    fn shown(rates: &Rates, currency: &str) -> Result<String, SourceError> {
        rates[&direction(currency, "RUB")].clone().map(|(rate, _)| rate.to_string())
    }

    #[test]
    fn roubles_for_one_unit_are_computed_and_one_that_is_wrong_costs_itself_alone() {
        let rates = read_text(200, DAILY).unwrap();
        assert_eq!(shown(&rates, "USD").unwrap(), "90.1234");
        assert_eq!(shown(&rates, "KRW").unwrap(), "0.0621505");
        for currency in ["EUR", "GBP", "CHF", "JPY", "CNY"] {
            assert!(matches!(shown(&rates, currency), Err(SourceError::Implausible(_))), "{currency}");
        }
        let day: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(rates[&direction("USD", "RUB")].as_ref().unwrap().1, day);
    }

    #[test]
    fn the_bank_writes_windows_1251() {
        let body = encoding_rs::WINDOWS_1251.encode(DAILY).0.into_owned();
        assert!(std::str::from_utf8(&body).is_err());
        let page = RawPage { status: 200, body: body.into(), ..RawPage::default() };
        assert_eq!(shown(&read(&page.into()).unwrap(), "USD").unwrap(), "90.1234");
    }

    #[test]
    fn errors_are_told_apart() {
        assert_eq!(read_text(503, "<html>").unwrap_err(), SourceError::Status(503));
        let no_day = DAILY.replace("02.01.2026", "2026-01-02");
        for garbled in ["", "<html>", "<ValCurs/>", &DAILY[..400], &no_day] {
            assert!(matches!(read_text(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_bank_tells_is_told() {
        let cbr = played(&BUILT_IN, |path| {
            assert_eq!(path, "/scripts/XML_daily.asp");
            (200, DAILY.to_owned())
        });
        let answer = ask_all(&*cbr, now()).await.unwrap();
        assert_eq!(answer.quotes.len(), 2);
        assert!(matches!(answer.faults[&direction("EUR", "RUB")], SourceError::Implausible(_)));
        assert_eq!(answer.faults[&direction("AED", "RUB")], SourceError::UnknownPair);
    }
}
