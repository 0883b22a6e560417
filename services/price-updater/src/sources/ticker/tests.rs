//! Tests of tickers. The *course* of a ticker is the price that the API shows. The agreed price is computed from the
//! *votes* of tickers.

use super::*;

fn ticker(last: Option<&str>, bid: Option<&str>, ask: Option<&str>) -> Result<Ticker, SourceError> {
    let [last, bid, ask] = [last, bid, ask].map(|text| text.map(DecimalText::from));
    Ticker::traded(
        &TradedPrices { last: last.as_ref(), bid: bid.as_ref(), ask: ask.as_ref() },
        Timestamp::from_micros(0).unwrap(),
    )
}

#[test]
fn course_is_last_trade_and_vote_is_mid_price() {
    let shown = |last, bid, ask| {
        let ticker = ticker(last, bid, ask).unwrap();
        (ticker.course().to_string(), ticker.vote().to_string())
    };
    let expected = |course: &str, vote: &str| (course.to_owned(), vote.to_owned());
    assert_eq!(shown(Some("61234.50000"), Some("61234.4"), Some("61235")), expected("61234.50", "61234.70"));
    assert_eq!(shown(Some("61234.5"), None, None), expected("61234.50", "61234.50"));
    assert_eq!(shown(None, Some("1e2"), Some("101")), expected("100.50", "100.50"));
    assert_eq!(shown(None, Some("0.00000001"), Some("0.00000001")), expected("0.00000001", "0.00000001"));
}

#[test]
fn implausible_price_rejects_the_ticker() {
    for (last, bid, ask) in [
        (Some("0"), Some("1"), Some("1")),
        (Some("-1"), Some("1"), Some("1")),
        (Some("1"), Some("0"), Some("1")),
        (Some("1"), Some("1"), Some("0.00")),
        (Some("1"), Some("1.01"), Some("1")),
        (Some("1"), Some("0.9"), Some("1.1")),
        (Some("1"), Some("1"), None),
        (Some("1"), None, Some("1")),
        (Some("1"), Some(""), Some("1")),
        (Some("61,234.5"), Some("1"), Some("1")),
        (Some("NaN"), None, None),
        (Some("Infinity"), None, None),
        (Some("1e99"), None, None),
        (Some("1.000000001"), None, None),
    ] {
        let result = ticker(last, bid, ask);
        assert!(matches!(result, Err(SourceError::Implausible(_))), "{last:?} {bid:?} {ask:?}: {result:?}");
    }
    assert!(ticker(None, Some("0.95"), Some("1.05")).is_ok());
}

#[test]
fn ticker_needs_a_price() {
    assert!(matches!(ticker(None, None, None), Err(SourceError::InvalidResponse(_))));
}

#[test]
fn index_is_rounded_to_rate_precision() {
    let now = Timestamp::from_micros(0).unwrap();
    let index = |text: &str| Ticker::index(&text.into(), now).map(|ticker| ticker.course().to_string());
    assert_eq!(index("61234.12345678901234567").unwrap(), "61234.12345679");
    assert_eq!(index("5.512345e6").unwrap(), "5512345.00");
    for text in ["0", "-1", "0.000000001", "61,234.5", "1e40"] {
        assert!(matches!(index(text), Err(SourceError::Implausible(_))), "{text}");
    }
}
