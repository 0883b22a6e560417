use super::plain;

#[test]
fn names_of_types_are_left_out() {
    assert_eq!(plain("failed to parse \"string_uuid\": must be a UUID"), "must be a UUID");
    assert_eq!(plain("must be a UUID (occurred while parsing \"optional_uuid\")"), "must be a UUID");
    assert_eq!(plain("must be a UUID"), "must be a UUID");
    assert_eq!(plain("Type \"string_direction\" expects an input value."), "is required");
    assert_eq!(plain("verification failed. minimum(1, exclusive: false)"), "must be 1 or more");
    assert_eq!(plain("verification failed. maximum(1000, exclusive: false)"), "must be 1000 or less");
}
