use super::*;

fn request(name: &str, holder: &str, ttl_secs: u64) -> LeaseRequest {
    LeaseRequest { name: name.to_owned(), holder: holder.to_owned(), ttl_secs }
}

#[test]
fn every_invalid_field_is_named() {
    let fields =
        |request: LeaseRequest| request.validate().unwrap_err().into_iter().map(|e| e.field).collect::<Vec<_>>();
    assert_eq!(request("price-updater", "a1", 10).validate(), Ok(()));
    assert_eq!(request(&"n".repeat(MAX_NAME_BYTES), "a1", MAX_LEASE_SECS).validate(), Ok(()));
    assert_eq!(fields(request("", &"h".repeat(MAX_NAME_BYTES + 1), 0)), ["name", "holder", "ttl_secs"]);
    assert_eq!(fields(request("a b", "ä", MAX_LEASE_SECS + 1)), ["name", "holder", "ttl_secs"]);
}
