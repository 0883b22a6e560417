use super::*;

fn invalid_fields(limit: Option<&str>, changed_by: Option<&str>) -> Vec<String> {
    let payload = LimitPayload { limit: limit.map(Into::into), changed_by: changed_by.map(Into::into) };
    match SetLimitCommand::from_payload(&payload) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.field).collect(),
    }
}

#[test]
fn limit_payload_needs_an_amount_of_bitcoin_and_the_name_of_an_operator() {
    for valid in ["0", "100", "0.00000001", "21000000"] {
        assert_eq!(invalid_fields(Some(valid), Some("ada")), [""; 0], "{valid}");
    }
    for invalid in ["-1", "21000000.00000001", "0.000000001", "much"] {
        assert_eq!(invalid_fields(Some(invalid), Some("ada")), ["limit"], "{invalid}");
    }
    assert_eq!(invalid_fields(None, Some("a\nb")), ["limit", "changed_by"]);
    assert_eq!(invalid_fields(Some("1"), None), ["changed_by"]);
}
