use super::*;

fn time_at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

fn crash(at_seconds: u64) -> MarketMove {
    MarketMove { at_seconds, seconds: Some(60), change_percent: -30 }
}

#[test]
fn every_wrong_field_of_a_move_is_named_with_its_path() {
    let wrong = MarketMove { change_percent: -100, seconds: Some(0), ..crash(31_536_001) };
    let errors = resolve_moves(&[crash(0), wrong], time_at(0)).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["market[1].at_seconds", "market[1].seconds", "market[1].change_percent"]);
}
