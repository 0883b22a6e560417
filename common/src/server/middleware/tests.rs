use super::*;

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

#[test]
fn refusal_names_the_path_and_what_the_service_has() {
    let methods = AllowedMethods::new(Vec::new(), &["/api/v1/orders", "/api/v1/orders/{id}"]);
    let detail = |error: Error, method: &str, path: &str| {
        to_problem(&error, &method.parse().unwrap(), path, &methods).detail.to_string()
    };
    for (path, expected) in [
        ("/api/v1/order", "The path /api/v1/order does not exist; did you mean /api/v1/orders? /docs lists all paths."),
        ("/api/v1/coins", "The path /api/v1/coins does not exist. /docs lists all paths."),
    ] {
        assert_eq!(detail(NotFoundError.into(), "GET", path), expected);
    }
    assert_eq!(
        detail(MethodNotAllowedError.into(), "PUT", "/api/v1/orders"),
        "The path /api/v1/orders does not support PUT. It supports GET, HEAD, OPTIONS."
    );
    let long = format!("/{}", "x".repeat(16_000));
    assert!(detail(NotFoundError.into(), "GET", &long).len() < 200);
}
