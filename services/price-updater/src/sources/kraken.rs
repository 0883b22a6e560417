//! Kraken: `GET /0/public/Ticker?pair=XBTUSD,XBTEUR`, one request for all pairs, about one a second for each address.
//!
//! Format: <https://docs.kraken.com/api/docs/rest-api/get-ticker-information>. Numbers are strings; `a`, `b` and `c` are
//! ask, bid and last trade, each with the price in front; there is no time in it. Errors come with status 200 in
//! `error`: those that start with `E` are errors, those with `W` are warnings beside a result. Under load Cloudflare
//! answers 520 with HTML.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::money::{Currency, DecimalText, Rate};
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    Answer, Build, BuiltIn, Source, SourceError, plausible,
    web::{Page, Web},
};

pub(super) const BUILT_IN: BuiltIn =
    BuiltIn { name: "kraken", url_variable: "KRAKEN_URL", default_url: "https://api.kraken.com", build: Build::Kraken };

/// What bitcoin is traded against here. One pair that is not known fails the whole request, so others are not asked for.
const CURRENCIES: [&str; 7] = ["AUD", "CAD", "CHF", "EUR", "GBP", "JPY", "USD"];

pub(super) struct Kraken(pub(super) Web);

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    error: Vec<String>,
    result: Option<BTreeMap<String, Ticker>>,
}

/// Each list is read by its first item: how many follow has changed over time.
#[derive(Deserialize)]
struct Ticker {
    a: Vec<DecimalText>,
    b: Vec<DecimalText>,
    c: Vec<DecimalText>,
}

#[async_trait]
impl Source for Kraken {
    fn name(&self) -> &'static str {
        BUILT_IN.name
    }

    async fn ask(&self, currencies: &[Currency], deadline: Instant) -> Result<Answer, SourceError> {
        let mut answer = Answer::default();
        let (known, unknown): (Vec<_>, Vec<_>) =
            currencies.iter().copied().partition(|currency| CURRENCIES.contains(&currency.as_str()));
        for currency in unknown {
            answer.put(currency, Err(SourceError::UnknownPair));
        }
        if known.is_empty() {
            return Ok(answer);
        }
        match self.ask_together(&known, deadline, &mut answer).await {
            // One of them was taken off the list: find the others, one by one, so as not to ask too much at once.
            Err(SourceError::UnknownPair) if known.len() > 1 => {
                for currency in known {
                    if let Err(error) = self.ask_together(&[currency], deadline, &mut answer).await {
                        answer.put(currency, Err(error));
                    }
                }
                Ok(answer)
            }
            result => result.map(|()| answer),
        }
    }
}

impl Kraken {
    async fn ask_together(
        &self,
        currencies: &[Currency],
        deadline: Instant,
        answer: &mut Answer,
    ) -> Result<(), SourceError> {
        let pairs = currencies.iter().map(|currency| format!("XBT{currency}")).collect::<Vec<_>>().join(",");
        let page = self.0.get(&format!("/0/public/Ticker?pair={pairs}"), deadline).await?;
        answer.simulated |= page.simulated;
        let tickers = read(&page)?;
        for &currency in currencies {
            answer.put(currency, price(&tickers, currency));
        }
        Ok(())
    }
}

fn read(page: &Page) -> Result<BTreeMap<String, Ticker>, SourceError> {
    let Reply { error, result } = page.success()?.json()?;
    if let Some(error) = error.iter().find(|error| !error.starts_with('W')) {
        return Err(match error.as_str() {
            error if error.contains("asset pair") => SourceError::UnknownPair,
            "EGeneral:Too many requests" | "EAPI:Rate limit exceeded" => SourceError::RateLimited { retry_after: None },
            error => SourceError::refused(error),
        });
    }
    for warning in &error {
        tracing::debug!(source = BUILT_IN.name, warning, "a source gave a warning beside its prices");
    }
    result.ok_or_else(|| SourceError::garbled("it has neither a result nor an error"))
}

/// One asks for `XBTUSD` and is answered `XXBTZUSD`; newer pairs keep their name, such as `XBTCHF`.
fn price(tickers: &BTreeMap<String, Ticker>, currency: Currency) -> Result<Rate, SourceError> {
    let ticker = [format!("XXBTZ{currency}"), format!("XBT{currency}")].iter().find_map(|key| tickers.get(key));
    let Ticker { a, b, c } = ticker.ok_or_else(|| SourceError::garbled("the pair is not in it"))?;
    match (c.first(), b.first(), a.first()) {
        (Some(last), bid @ Some(_), ask @ Some(_)) => plausible(last, bid, ask),
        _ => Err(SourceError::garbled("a list of prices is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKER: &str = r#"{"error":[],"result":{
        "XXBTZUSD":{"a":["61234.60000","1","1.000"],"b":["61234.50000","1","1.000"],"c":["61234.50000","0.00100000"],
            "v":["410.0","4400.0"],"p":["61300.1","61280.2"],"t":[30000,36000],"l":["60000.0","59868.3"],
            "h":["61900.0","62631.0"],"o":"60502.80000"},
        "XBTCHF":{"a":["55000.1","1"],"b":["55000.0","1"],"c":["55000.0","0.1"]}}}"#;

    fn usd(status: u16, body: &str) -> Result<String, SourceError> {
        price(&read(&Page::of(status, body))?, Currency::USD).map(|price| price.to_string())
    }

    #[test]
    fn keys_are_found_in_either_dress() {
        assert_eq!(usd(200, TICKER).unwrap(), "61234.50");
        let tickers = read(&Page::of(200, TICKER)).ok().unwrap();
        assert_eq!(price(&tickers, "CHF".parse().unwrap()).unwrap().to_string(), "55000.00");
        assert!(matches!(price(&tickers, Currency::EUR), Err(SourceError::Garbled(_))));
    }

    #[test]
    fn a_warning_beside_a_result_is_no_error() {
        let warned = TICKER.replace(r#""error":[]"#, r#""error":["WGeneral:Deprecated"]"#);
        assert_eq!(usd(200, &warned).unwrap(), "61234.50");
        let both = TICKER.replace(r#""error":[]"#, r#""error":["WGeneral:Deprecated","EService:Busy"]"#);
        assert_eq!(usd(200, &both), Err(SourceError::refused("EService:Busy")));
    }

    #[test]
    fn errors_inside_200_are_told_apart() {
        let error = |text: &str| usd(200, &format!(r#"{{"error":["{text}"]}}"#)).unwrap_err();
        for pair in ["EQuery:Unknown asset pair", "EQuery:Invalid asset pair"] {
            assert_eq!(error(pair), SourceError::UnknownPair);
        }
        for limit in ["EGeneral:Too many requests", "EAPI:Rate limit exceeded"] {
            assert_eq!(error(limit), SourceError::RateLimited { retry_after: None });
        }
        assert_eq!(error("EService:Unavailable"), SourceError::refused("EService:Unavailable"));
        assert_eq!(usd(520, "<html>"), Err(SourceError::Status(520)));
        for garbled in ["", "{", "{}", r#"{"error":[]}"#, &TICKER[..60], r#"{"error":[],"result":{"XBTUSD":{}}}"#] {
            assert!(matches!(usd(200, garbled), Err(SourceError::Garbled(_))), "{garbled}");
        }
        let crossed = TICKER.replace("61234.60000", "61234.40000");
        assert!(matches!(usd(200, &crossed), Err(SourceError::Implausible(_))));
    }
}
