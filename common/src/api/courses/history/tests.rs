use super::*;

#[test]
fn only_canonical_cursors_are_accepted() {
    let cursor = HistoryCursor { series: 31, start: Timestamp::from_micros(255).unwrap() };
    assert_eq!(cursor.to_string(), "h1f-ff");
    assert_eq!("h1f-ff".parse(), Ok(cursor));
    for invalid in ["", "h", "h1f", "1f-ff", "h0-ff", "h-1f-ff", "h1F-ff", "h1f-0ff", "h1f--ff", "hffffffff-1", "o1f"] {
        assert_eq!(invalid.parse::<HistoryCursor>(), Err(CursorError), "{invalid}");
    }
    assert_eq!("h1-7fffffffffffffff".parse::<HistoryCursor>(), Err(CursorError));
}

#[test]
fn only_displayed_form_of_a_resolution_is_parsed() {
    for resolution in Resolution::ALL {
        assert_eq!(resolution.to_string().parse(), Ok(resolution));
    }
    for invalid in ["", "RAW", "1M", "2m", "60"] {
        assert_eq!(invalid.parse::<Resolution>(), Err(ResolutionError(invalid.to_owned())), "{invalid}");
    }
}
