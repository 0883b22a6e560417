use super::*;

#[test]
fn only_cursors_that_we_gave_are_read() {
    let cursor = HistoryCursor { series: 31, start: Timestamp::from_micros(255).unwrap() };
    assert_eq!(cursor.to_string(), "h1f-ff");
    assert_eq!("h1f-ff".parse(), Ok(cursor));
    for bad in ["", "h", "h1f", "1f-ff", "h0-ff", "h-1f-ff", "h1F-ff", "h1f-0ff", "h1f--ff", "hffffffff-1", "o1f"] {
        assert_eq!(bad.parse::<HistoryCursor>(), Err(CursorError), "{bad}");
    }
    assert_eq!("h1-7fffffffffffffff".parse::<HistoryCursor>(), Err(CursorError));
}

#[test]
fn a_resolution_reads_as_it_is_shown() {
    for resolution in Resolution::ALL {
        assert_eq!(resolution.to_string().parse(), Ok(resolution));
    }
    for bad in ["", "RAW", "1M", "2m", "60"] {
        assert_eq!(bad.parse::<Resolution>(), Err(ResolutionError), "{bad}");
    }
}
