//! `CoinGecko`: `GET /api/v3/simple/price?ids=…&vs_currencies=…`, one request for everything.
//!
//! Format: <https://docs.coingecko.com/reference/simple-price>. An index over many exchanges, as JSON numbers with as many
//! digits as there are; what is not known is left out. It is computed anew once a minute, and without a key somewhere
//! between 5 and 15 requests a minute are permitted, failed ones included, so it is asked not much more often.
//!
//! `last_updated_at` (seconds since 1970) is asked for: a price is as old as that says, and never younger than the ask. An
//! index that says itself that it stands still is refused.
//!
//! Errors are a status with `{"status":{"error_code":429,"error_message":"…"}}` or `{"error":"…"}`, and HTML with 403 from
//! the network in front of it. Attribution is asked for where the prices are shown: docs/price-sources.md.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{DecimalText, Direction},
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Answer, Ask, BuiltIn, Quotes, Source, SourceError, as_built_in,
    budget::Limits,
    direction, directions, wanted,
    web::{Page, Web},
};
use crate::quote::Quote;

/// Three rounds of the record: a price lasts a minute, so it is asked anew a round before that, and is not missing until the
/// answer is there. Two minutes have three asks.
const PERIOD: Duration = Duration::from_secs(45);

pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "coingecko",
    kind: CourseKind::Index,
    url_variable: "COINGECKO_URL",
    default_url: "https://api.coingecko.com",
    period: PERIOD,
    limits: Limits { calls: 3, window: Duration::from_secs(120), pause: Duration::from_secs(120) },
    build: |web| Box::new(CoinGecko { web, directions: directions(PAIRS) }),
};

/// An index older than this by its own word is one that stands still.
const MAX_AGE: Duration = Duration::from_secs(600);

const PAIRS: &[(Direction, Names)] = &[
    (direction("BTC", "USD"), ("bitcoin", "usd")),
    (direction("BTC", "EUR"), ("bitcoin", "eur")),
    (direction("BTC", "GBP"), ("bitcoin", "gbp")),
    (direction("BTC", "CHF"), ("bitcoin", "chf")),
    (direction("BTC", "JPY"), ("bitcoin", "jpy")),
    (direction("BTC", "AUD"), ("bitcoin", "aud")),
    (direction("BTC", "CAD"), ("bitcoin", "cad")),
    (direction("BTC", "RUB"), ("bitcoin", "rub")),
    (direction("ETH", "USD"), ("ethereum", "usd")),
    (direction("ETH", "EUR"), ("ethereum", "eur")),
    (direction("ETH", "GBP"), ("ethereum", "gbp")),
    (direction("ETH", "RUB"), ("ethereum", "rub")),
    (direction("USDT", "USD"), ("tether", "usd")),
    (direction("USDT", "EUR"), ("tether", "eur")),
    (direction("USDT", "GBP"), ("tether", "gbp")),
    (direction("USDT", "RUB"), ("tether", "rub")),
];

/// A coin's and a currency's name here.
type Names = (&'static str, &'static str);

struct CoinGecko {
    web: Web,
    directions: Vec<Direction>,
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct FailureStatus {
    error_code: i64,
    #[serde(default)]
    error_message: String,
}

#[async_trait]
impl Source for CoinGecko {
    as_built_in!();

    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError> {
        let pairs = wanted(&ask, PAIRS);
        let distinct = |name: fn(&Names) -> &'static str| {
            let mut names: Vec<_> = pairs.iter().map(|(_, names)| name(names)).collect();
            names.sort_unstable();
            names.dedup();
            names.join(",")
        };
        let (coins, currencies) = (distinct(|names| names.0), distinct(|names| names.1));
        let query = format!("ids={coins}&vs_currencies={currencies}&include_last_updated_at=true&precision=full");
        let path = format!("/api/v3/simple/price?{query}");
        Ok(self.web.get(&path, ask.deadline, |page| read(page, &pairs, ask.now)).await?.into())
    }
}

fn read(page: &Page, pairs: &[(Direction, Names)], now: Timestamp) -> Result<Quotes, SourceError> {
    if let Ok(Failure { status, error }) = page.not_limited()?.json() {
        if let Some(status) = status.and_then(|status| serde_json::from_str::<FailureStatus>(status.get()).ok()) {
            let FailureStatus { error_code, error_message } = status;
            return Err(match error_code {
                429 => SourceError::RateLimited { retry_after: page.retry_after },
                code => SourceError::refused(&format!("{code}: {error_message}")),
            });
        }
        if let Some(error) = error {
            return Err(SourceError::refused(error.get().trim_matches('"')));
        }
    }
    let coins: BTreeMap<String, &RawValue> = page.success()?.json()?;
    let quote = |(coin, currency): Names| {
        let row = coins.get(coin).ok_or(SourceError::UnknownPair)?;
        let row: BTreeMap<String, &RawValue> = serde_json::from_str(row.get()).map_err(SourceError::garbled)?;
        let value = row.get(currency).ok_or(SourceError::UnknownPair)?;
        let value: DecimalText = serde_json::from_str(value.get()).map_err(SourceError::garbled)?;
        // A clock ahead of ours, there or by the unit it tells, makes nothing younger.
        let observed_at =
            row.get("last_updated_at").and_then(|time| read_time(time.get())).map_or(now, |at| at.min(now));
        if now.since(observed_at) > MAX_AGE {
            return Err(SourceError::Stale(observed_at));
        }
        Quote::index(&value, observed_at)
    };
    Ok(pairs.iter().map(|&(direction, names)| (direction, quote(names))).collect())
}

fn read_time(seconds: &str) -> Option<Timestamp> {
    Timestamp::from_micros(seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::{ask_all, course, now, played};

    const PRICES: &str = r#"{
        "bitcoin":{"usd":61234,"eur":56789.01,"gbp":-1,"rub":5.512345e6,"chf":"54,321","jpy":null,"last_updated_at":1767441590},
        "tether":{"usd":0.9998123456789012,"eur":0.927,"last_updated_at":1767441591},
        "ethereum":{"usd":3000,"last_updated_at":1767440000}}"#;

    fn all(status: u16, body: &str) -> Result<Quotes, SourceError> {
        read(&Page::of(status, body), PAIRS, now())
    }

    #[test]
    fn numbers_of_every_spelling_are_read_and_one_that_is_wrong_costs_itself_alone() {
        let quotes = all(200, PRICES).unwrap();
        assert_eq!(course(&quotes, "BTC-USD").unwrap(), "61234.00");
        assert_eq!(course(&quotes, "BTC-RUB").unwrap(), "5512345.00");
        assert_eq!(course(&quotes, "USDT-USD").unwrap(), "0.99981235");
        assert!(matches!(course(&quotes, "BTC-GBP"), Err(SourceError::Implausible(_))));
        assert!(matches!(course(&quotes, "BTC-CHF"), Err(SourceError::Implausible(_))));
        assert!(matches!(course(&quotes, "BTC-JPY"), Err(SourceError::Garbled(_))));
        assert_eq!(course(&quotes, "USDT-GBP"), Err(SourceError::UnknownPair));
        assert!(matches!(course(&quotes, "ETH-USD"), Err(SourceError::Stale(_))));
    }

    #[test]
    fn a_time_of_another_unit_makes_nothing_younger_and_breaks_nothing() {
        for time in ["1767441590000", "\"now\"", "-99999999999999999999", "null"] {
            let quotes = all(200, &PRICES.replace("1767441590", time)).unwrap();
            assert_eq!(course(&quotes, "BTC-USD").unwrap(), "61234.00", "{time}");
        }
    }

    #[test]
    fn a_price_is_as_old_as_it_says_and_never_younger_than_the_ask() {
        let age = |seconds: i64| {
            let told = (now().micros() / 1_000_000 + seconds).to_string();
            let quotes = all(200, &PRICES.replace("1767441590", &told)).unwrap();
            now().since(quotes[0].1.as_ref().unwrap().observed_at).as_secs()
        };
        assert_eq!([-90, -1, 0, 1, 90, 86_400].map(age), [90, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |status: u16, body: &str| all(status, body).unwrap_err();
        let limited = SourceError::RateLimited { retry_after: None };
        let body = r#"{"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit."}}"#;
        assert_eq!((error(429, body), error(200, body)), (limited.clone(), limited));
        assert_eq!(
            error(401, r#"{"status":{"error_code":10002,"error_message":"no key"}}"#),
            SourceError::refused("10002: no key")
        );
        assert_eq!(error(404, r#"{"error":"coin not found"}"#), SourceError::refused("coin not found"));
        assert_eq!(error(403, "<html>error code: 1020"), SourceError::Status(403));
        for garbled in ["", "[]", "<html>", &PRICES[..80]] {
            assert!(matches!(all(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everything_costs_one_request() {
        let coingecko = played(&BUILT_IN, |path| {
            let coins =
                "/api/v3/simple/price?ids=bitcoin,ethereum,tether&vs_currencies=aud,cad,chf,eur,gbp,jpy,rub,usd&";
            assert!(path.starts_with(coins), "{path}");
            (200, PRICES.to_owned())
        });
        assert_eq!(ask_all(&*coingecko, now()).await.unwrap().quotes.len(), 5);
        assert_eq!(coingecko.budget_left(), 2);
    }
}
