use super::*;

fn time_at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

fn crash(at_seconds: u64) -> MarketMove {
    MarketMove { at_seconds, seconds: Some(60), change_percent: -30 }
}

#[test]
fn error_names_index_and_field() {
    let planned = [crash(0), MarketMove { change_percent: -100, ..crash(0) }];
    let error = resolve_moves(&planned, time_at(0)).unwrap_err();
    assert_eq!((error.path().as_str(), error.index), ("market[1].change_percent", 1));
}
