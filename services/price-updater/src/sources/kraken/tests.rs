use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use poem::endpoint::make_sync;
use tokio::time::Instant;

use super::*;
use crate::sources::InProcess;

const TICKER: &str = r#"{"error":[],"result":{
        "XXBTZUSD":{"a":["61234.60000","1","1.000"],"b":["61234.50000","1","1.000"],"c":["61234.50000","0.00100000"],
            "v":["410.0","4400.0"],"p":["61300.1","61280.2"],"t":[30000,36000],"l":["60000.0","59868.3"],
            "h":["61900.0","62631.0"],"o":"60502.80000"},
        "XBTCHF":{"a":["55000.1","1"],"b":["55000.0","1"],"c":["55000.0","0.1"]},
        "USDTZUSD":{"a":["1.0001"],"b":["0"],"c":["1.0000"]},
        "XETHZEUR":{"a":null}}}"#;

fn all(status: u16, body: &str) -> Result<BTreeMap<CurrencyPair, Result<String, SourceError>>, SourceError> {
    let tickers = parse(&HttpResponse::of(status, body), PAIRS, Timestamp::from_micros(0).unwrap())?;
    Ok(tickers.into_iter().map(|(pair, quote)| (pair, quote.map(|q| q.course().to_string()))).collect())
}

fn usd(status: u16, body: &str) -> Result<String, SourceError> {
    all(status, body)?.remove(&pair("BTC", "USD")).unwrap()
}

#[test]
fn keys_are_found_in_either_dress_and_one_that_is_wrong_costs_itself_alone() {
    let mut all = all(200, TICKER).unwrap();
    let mut told = |name: &str| all.remove(&name.parse().unwrap()).unwrap();
    assert_eq!(told("BTC-USD").unwrap(), "61234.50");
    assert_eq!(told("BTC-CHF").unwrap(), "55000.00");
    assert!(matches!(told("USDT-USD"), Err(SourceError::Implausible(_))));
    assert!(matches!(told("ETH-EUR"), Err(SourceError::InvalidResponse(_))));
    assert!(matches!(told("BTC-EUR"), Err(SourceError::InvalidResponse(_))));
    assert_eq!(usd(200, &TICKER.replace("XXBTZUSD", "XBTUSD")).unwrap(), "61234.50");
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
    for invalid_response in
        ["", "{", "{}", r#"{"error":[]}"#, &TICKER[..60], r#"{"error":[],"result":{"XXBTZUSD":{}}}"#]
    {
        assert!(matches!(usd(200, invalid_response), Err(SourceError::InvalidResponse(_))), "{invalid_response}");
    }
    let crossed = TICKER.replace("61234.60000", "61234.40000");
    assert!(matches!(usd(200, &crossed), Err(SourceError::Implausible(_))));
}

/// Kraken without pounds, and how often it was asked.
fn without_pounds() -> (Box<dyn Source>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let transport = InProcess::new(make_sync(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        let pairs = request.uri().query().unwrap().strip_prefix("pair=").unwrap().to_owned();
        if pairs.contains("GBP") {
            return r#"{"error":["EQuery:Unknown asset pair"]}"#.to_owned();
        }
        let ticker = |pair: &str| format!(r#""{pair}":{{"a":["1"],"b":["1"],"c":["1"]}}"#);
        format!(r#"{{"error":[],"result":{{{}}}}}"#, pairs.split(',').map(ticker).collect::<Vec<_>>().join(","))
    }));
    (DEFINITION.build(Arc::new(transport), "http://kraken".parse().unwrap()), asked)
}

#[tokio::test(start_paused = true)]
async fn pairs_that_were_taken_off_the_list_are_found_and_left_out() {
    let (kraken, asked) = without_pounds();
    let wanted = kraken.pairs().to_vec();
    let mut told = 0;
    for _ in 0..10 {
        let deadline = Instant::now() + EXCHANGE_PERIOD;
        let request = PollRequest { pairs: &wanted, now: Timestamp::now(), deadline };
        told = kraken.poll(request).await.unwrap().tickers.len();
        tokio::time::advance(DEFINITION.limits.window).await;
    }
    assert_eq!(told, wanted.iter().filter(|pair| pair.quote.as_str() != "GBP").count());
    // The last of them took one request, as it should be.
    let before = asked.load(Ordering::SeqCst);
    let request = PollRequest { pairs: &wanted, now: Timestamp::now(), deadline: Instant::now() + EXCHANGE_PERIOD };
    let answer = kraken.poll(request).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), before + 1);
    assert!(answer.errors.values().all(|fault| *fault == SourceError::UnknownPair) && answer.errors.len() == 3);
}
