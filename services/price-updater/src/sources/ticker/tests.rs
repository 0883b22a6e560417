use super::*;

fn ticker(last: Option<&str>, bid: Option<&str>, ask: Option<&str>) -> Result<Ticker, SourceError> {
    let [last, bid, ask] = [last, bid, ask].map(|text| text.map(DecimalText::from));
    Ticker::traded(last.as_ref(), bid.as_ref(), ask.as_ref(), Timestamp::from_micros(0).unwrap())
}

#[test]
fn the_last_trade_is_shown_and_the_middle_of_the_book_counts() {
    let shown = |last, bid, ask| {
        let ticker = ticker(last, bid, ask).unwrap();
        (ticker.course().to_string(), ticker.vote().to_string())
    };
    let told = |course: &str, vote: &str| (course.to_owned(), vote.to_owned());
    assert_eq!(shown(Some("61234.50000"), Some("61234.4"), Some("61235")), told("61234.50", "61234.70"));
    assert_eq!(shown(Some("61234.5"), None, None), told("61234.50", "61234.50"));
    assert_eq!(shown(None, Some("1e2"), Some("101")), told("100.50", "100.50"));
    assert_eq!(shown(None, Some("0.00000001"), Some("0.00000001")), told("0.00000001", "0.00000001"));
}

#[test]
fn a_book_that_makes_no_sense_takes_the_price_with_it() {
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
    assert!(matches!(ticker(None, None, None), Err(SourceError::InvalidResponse(_))));
}

#[test]
fn an_index_is_rounded_to_the_digits_that_are_kept() {
    let now = Timestamp::from_micros(0).unwrap();
    let index = |text: &str| Ticker::index(&text.into(), now).map(|ticker| ticker.course().to_string());
    assert_eq!(index("61234.12345678901234567").unwrap(), "61234.12345679");
    assert_eq!(index("5.512345e6").unwrap(), "5512345.00");
    for text in ["0", "-1", "0.000000001", "61,234.5", "1e40"] {
        assert!(matches!(index(text), Err(SourceError::Implausible(_))), "{text}");
    }
}
