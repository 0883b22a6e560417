use super::*;

const NAMES: &[&str] = &["coinbase", "kraken"];

#[test]
fn error_names_index_and_field() {
    let check = |json: &str| {
        let timeline: Vec<TimedFault> = serde_json::from_str(json).unwrap();
        resolve_timeline(&timeline, NAMES, Timestamp::now())
            .map(|_| ())
            .map_err(|error| (error.index, error.error.field))
    };
    assert_eq!(check(r#"[{"exchange":"mtgox","at_seconds":0,"fault":"down"}]"#), Err((0, "exchange")));
    let late = r#"[{"exchange":"kraken","at_seconds":31536001,"fault":"down"}]"#;
    assert_eq!(check(late), Err((0, "at_seconds")));
    let second = r#"[{"exchange":"kraken","at_seconds":0,"fault":"down"},
            {"exchange":"kraken","at_seconds":0,"fault":"down","days":2}]"#;
    assert_eq!(check(second), Err((1, "days")));
}
