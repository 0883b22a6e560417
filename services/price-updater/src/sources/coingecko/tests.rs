use super::*;
use crate::sources::tests::fixtures::{now, poll_all, price, response, scripted_source};

const PRICES: &str = r#"{
        "bitcoin":{"usd":61234,"eur":56789.01,"gbp":-1,"rub":5.512345e6,"chf":"54,321","jpy":null,"last_updated_at":1767441590},
        "tether":{"usd":0.9998123456789012,"eur":0.927,"last_updated_at":1767441591},
        "ethereum":{"usd":3000,"last_updated_at":1767440000}}"#;

fn parse_all(status: u16, body: &str) -> Result<TickerResults, SourceError> {
    parse(&response(status, body), PAIRS, now())
}

#[test]
fn every_number_format_is_parsed() {
    let tickers = parse_all(200, PRICES).unwrap();
    assert_eq!(price(&tickers, "BTC-USD").unwrap(), "61234.00");
    assert_eq!(price(&tickers, "BTC-RUB").unwrap(), "5512345.00");
    assert_eq!(price(&tickers, "USDT-USD").unwrap(), "0.99981235");
}

#[test]
fn invalid_or_old_value_is_an_error_of_its_pair() {
    let tickers = parse_all(200, PRICES).unwrap();
    assert!(matches!(price(&tickers, "BTC-GBP"), Err(SourceError::Implausible(_))));
    assert!(matches!(price(&tickers, "BTC-CHF"), Err(SourceError::Implausible(_))));
    assert!(matches!(price(&tickers, "BTC-JPY"), Err(SourceError::InvalidResponse(_))));
    assert_eq!(price(&tickers, "USDT-GBP"), Err(SourceError::UnknownPair));
    assert!(matches!(price(&tickers, "ETH-USD"), Err(SourceError::Stale(_))));
}

#[test]
fn invalid_update_time_is_ignored() {
    for time in ["1767441590000", "\"now\"", "-99999999999999999999", "null"] {
        let tickers = parse_all(200, &PRICES.replace("1767441590", time)).unwrap();
        assert_eq!(price(&tickers, "BTC-USD").unwrap(), "61234.00", "{time}");
    }
}

#[test]
fn reported_time_is_used_unless_it_is_in_the_future() {
    let age = |seconds: i64| {
        let time = (now().micros() / 1_000_000 + seconds).to_string();
        let tickers = parse_all(200, &PRICES.replace("1767441590", &time)).unwrap();
        now().since(tickers[0].1.as_ref().unwrap().observed_at).as_secs()
    };
    assert_eq!([-90, -1, 0, 1, 90, 86_400].map(age), [90, 1, 0, 0, 0, 0]);
}

#[test]
fn errors_are_classified() {
    let error = |status: u16, body: &str| parse_all(status, body).unwrap_err();
    let limited = SourceError::RateLimited { retry_after: None };
    let body = r#"{"status":{"error_code":429,"error_message":"You've exceeded the Rate Limit."}}"#;
    assert_eq!((error(429, body), error(200, body)), (limited.clone(), limited));
    assert_eq!(
        error(401, r#"{"status":{"error_code":10002,"error_message":"no key"}}"#),
        SourceError::refused("10002: no key")
    );
    assert_eq!(error(404, r#"{"error":"coin not found"}"#), SourceError::refused("coin not found"));
    assert_eq!(error(403, "<html>error code: 1020"), SourceError::Status(403));
    for body in ["", "[]", "<html>", &PRICES[..80]] {
        assert!(matches!(parse_all(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_pairs_need_one_request() {
    let coingecko = scripted_source(&DEFINITION, |path| {
        let coins = "/api/v3/simple/price?ids=bitcoin,ethereum,tether&vs_currencies=aud,cad,chf,eur,gbp,jpy,rub,usd&";
        assert!(path.starts_with(coins), "{path}");
        (200, PRICES.to_owned())
    });
    assert_eq!(poll_all(&*coingecko, now()).await.unwrap().tickers.len(), 5);
    assert_eq!(coingecko.budget_left(), 2);
}
