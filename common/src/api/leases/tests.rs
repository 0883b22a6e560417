use super::*;

fn ask(name: &str, holder: &str, ttl_secs: u64) -> LeaseRequest {
    LeaseRequest { name: name.to_owned(), holder: holder.to_owned(), ttl_secs }
}

#[test]
fn what_is_not_allowed_is_named() {
    let fields = |ask: LeaseRequest| ask.validate().unwrap_err().into_iter().map(|e| e.field).collect::<Vec<_>>();
    assert_eq!(ask("price-updater", "a1", 10).validate(), Ok(()));
    assert_eq!(ask(&"n".repeat(MAX_NAME), "a1", MAX_LEASE_SECS).validate(), Ok(()));
    assert_eq!(fields(ask("", &"h".repeat(MAX_NAME + 1), 0)), ["name", "holder", "ttl_secs"]);
    assert_eq!(fields(ask("a b", "ä", MAX_LEASE_SECS + 1)), ["name", "holder", "ttl_secs"]);
}
