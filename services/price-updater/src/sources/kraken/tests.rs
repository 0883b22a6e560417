use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use poem::endpoint::make_sync;
use tokio::time::Instant;

use super::*;
use crate::sources::{InProcess, Source, tests::fixtures::response};

const TICKER: &str = r#"{"error":[],"result":{
        "XXBTZUSD":{"a":["61234.60000","1","1.000"],"b":["61234.50000","1","1.000"],"c":["61234.50000","0.00100000"],
            "v":["410.0","4400.0"],"p":["61300.1","61280.2"],"t":[30000,36000],"l":["60000.0","59868.3"],
            "h":["61900.0","62631.0"],"o":"60502.80000"},
        "XBTCHF":{"a":["55000.1","1"],"b":["55000.0","1"],"c":["55000.0","0.1"]},
        "USDTZUSD":{"a":["1.0001"],"b":["0"],"c":["1.0000"]},
        "XETHZEUR":{"a":null}}}"#;

fn parse_all(status: u16, body: &str) -> Result<BTreeMap<CurrencyPair, Result<String, SourceError>>, SourceError> {
    let tickers = parse(&response(status, body), PAIRS, Timestamp::from_micros(0).unwrap())?;
    Ok(tickers.into_iter().map(|(pair, ticker)| (pair, ticker.map(|ticker| ticker.course().to_string()))).collect())
}

fn parse_btc_usd(status: u16, body: &str) -> Result<String, SourceError> {
    parse_all(status, body)?.remove(&pair("BTC", "USD")).unwrap()
}

#[test]
fn tickers_are_found_by_any_alias_of_the_assets() {
    let mut all = parse_all(200, TICKER).unwrap();
    let mut ticker = |name: &str| all.remove(&name.parse().unwrap()).unwrap();
    assert_eq!(ticker("BTC-USD").unwrap(), "61234.50");
    assert_eq!(ticker("BTC-CHF").unwrap(), "55000.00");
    assert_eq!(parse_btc_usd(200, &TICKER.replace("XXBTZUSD", "XBTUSD")).unwrap(), "61234.50");
}

#[test]
fn invalid_ticker_is_an_error_of_its_pair() {
    let mut all = parse_all(200, TICKER).unwrap();
    let mut ticker = |name: &str| all.remove(&name.parse().unwrap()).unwrap();
    assert!(matches!(ticker("USDT-USD"), Err(SourceError::Implausible(_))));
    assert!(matches!(ticker("ETH-EUR"), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(ticker("BTC-EUR"), Err(SourceError::InvalidResponse(_))));
}

#[test]
fn warning_in_addition_to_a_result_is_ignored() {
    let with_warning = TICKER.replace(r#""error":[]"#, r#""error":["WGeneral:Deprecated"]"#);
    assert_eq!(parse_btc_usd(200, &with_warning).unwrap(), "61234.50");
    let both = TICKER.replace(r#""error":[]"#, r#""error":["WGeneral:Deprecated","EService:Busy"]"#);
    assert_eq!(parse_btc_usd(200, &both), Err(SourceError::refused("EService:Busy")));
}

#[test]
fn errors_are_classified() {
    let error = |text: &str| parse_btc_usd(200, &format!(r#"{{"error":["{text}"]}}"#)).unwrap_err();
    for pair in ["EQuery:Unknown asset pair", "EQuery:Invalid asset pair"] {
        assert_eq!(error(pair), SourceError::UnknownPair);
    }
    for limit in ["EGeneral:Too many requests", "EAPI:Rate limit exceeded"] {
        assert_eq!(error(limit), SourceError::RateLimited { retry_after: None });
    }
    assert_eq!(error("EService:Unavailable"), SourceError::refused("EService:Unavailable"));
    assert_eq!(parse_btc_usd(520, "<html>"), Err(SourceError::Status(520)));
    for body in ["", "{", "{}", r#"{"error":[]}"#, &TICKER[..60], r#"{"error":[],"result":{"XXBTZUSD":{}}}"#] {
        assert!(matches!(parse_btc_usd(200, body), Err(SourceError::InvalidResponse(_))), "{body}");
    }
    let crossed = TICKER.replace("61234.60000", "61234.40000");
    assert!(matches!(parse_btc_usd(200, &crossed), Err(SourceError::Implausible(_))));
}

/// Kraken without pairs in pounds, and the counter of the requests that it receives.
fn kraken_without_pounds() -> (Box<dyn Source>, Arc<AtomicUsize>) {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let transport = InProcess::new(make_sync(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        let pairs = request.uri().query().unwrap().strip_prefix("pair=").unwrap().to_owned();
        if pairs.contains("GBP") {
            return r#"{"error":["EQuery:Unknown asset pair"]}"#.to_owned();
        }
        let ticker = |pair: &str| format!(r#""{pair}":{{"a":["1"],"b":["1"],"c":["1"]}}"#);
        format!(r#"{{"error":[],"result":{{{}}}}}"#, pairs.split(',').map(ticker).collect::<Vec<_>>().join(","))
    }));
    (DEFINITION.build(Arc::new(transport), "http://kraken".parse().unwrap()), requests)
}

#[tokio::test(start_paused = true)]
async fn delisted_pairs_are_found_and_excluded() {
    let (kraken, requests) = kraken_without_pounds();
    let pairs = kraken.pairs().to_vec();
    let mut tickers = 0;
    for _ in 0..10 {
        let deadline = Instant::now() + EXCHANGE_POLL_INTERVAL;
        let request = PollRequest { pairs: &pairs, now: Timestamp::now(), deadline };
        tickers = kraken.poll(request).await.unwrap().tickers.len();
        tokio::time::advance(DEFINITION.rate_limits.window).await;
    }
    assert_eq!(tickers, pairs.iter().filter(|pair| pair.quote.as_str() != "GBP").count());
    // The search is over, so a poll takes one request.
    let before = requests.load(Ordering::SeqCst);
    let request =
        PollRequest { pairs: &pairs, now: Timestamp::now(), deadline: Instant::now() + EXCHANGE_POLL_INTERVAL };
    let reply = kraken.poll(request).await.unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), before + 1);
    assert!(reply.errors.values().all(|error| *error == SourceError::UnknownPair) && reply.errors.len() == 3);
}
