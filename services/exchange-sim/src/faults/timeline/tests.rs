use super::*;

const NAMES: &[&str] = &["coinbase", "kraken"];

#[test]
fn every_wrong_field_of_every_fault_is_named_with_its_path() {
    let timeline: Vec<TimedFault> = serde_json::from_str(
        r#"[{"exchange":"krakn","at_seconds":31536001,"fault":"down"},
            {"exchange":"kraken","at_seconds":0,"fault":"down"},
            {"exchange":"kraken","at_seconds":0,"fault":"down","seconds":0,"days":0}]"#,
    )
    .unwrap();
    let errors = resolve_timeline(&timeline, NAMES, Timestamp::now()).unwrap_err();
    let errors: Vec<_> = errors.iter().map(|error| (error.field.as_str(), error.message.as_str())).collect();
    assert_eq!(
        errors,
        [
            ("timeline[0].exchange", "must be one of coinbase, kraken, but is \"krakn\" (did you mean kraken?)"),
            ("timeline[0].at_seconds", "must be a whole number from 0 to 31536000, but is 31536001"),
            ("timeline[2].days", "does not apply to the fault down, which takes only seconds"),
            ("timeline[2].seconds", "must be a whole number from 1 to 86400, but is 0"),
        ]
    );
    assert_eq!(resolve_timeline(&timeline[1..2], NAMES, Timestamp::now()).unwrap().len(), 1);
}
