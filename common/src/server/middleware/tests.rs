use super::readable_reason;

#[test]
fn type_names_are_removed_from_reasons() {
    assert_eq!(readable_reason("failed to parse \"string_uuid\": must be a UUID"), "must be a UUID");
    assert_eq!(readable_reason("must be a UUID (occurred while parsing \"optional_uuid\")"), "must be a UUID");
    assert_eq!(readable_reason("must be a UUID"), "must be a UUID");
    let nested = "must be a UUID (occurred while parsing \"uuid\") (occurred while parsing \"optional_uuid\")";
    assert_eq!(readable_reason(nested), "must be a UUID");
    let quoted = "must be a UUID, but is \"x (occurred while parsing \"";
    assert_eq!(readable_reason(&format!("{quoted} (occurred while parsing \"optional_uuid\")")), quoted);
    assert_eq!(readable_reason("Type \"string_direction\" expects an input value."), "is required");
    assert_eq!(readable_reason("verification failed. minimum(1, exclusive: false)"), "must be 1 or more");
    assert_eq!(readable_reason("verification failed. maximum(1000, exclusive: false)"), "must be 1000 or less");
}
