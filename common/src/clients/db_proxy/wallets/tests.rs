use super::*;
use crate::api::{FieldError, Problem};

fn problem(code: Code, fields: &[&str]) -> CallError {
    let errors = fields.iter().map(|field| FieldError::new(*field, "belongs to no wallet of the owner")).collect();
    CallError::Problem(DbProxyClient::SERVICE, Box::new(Problem { errors, ..Problem::new(code, "the detail") }))
}

#[test]
fn only_a_not_found_response_that_names_the_id_means_an_unknown_wallet() {
    assert!(is_unknown_wallet(&problem(Code::NotFound, &["id"])));
    assert!(!is_unknown_wallet(&problem(Code::NotFound, &[])), "a db-proxy without the endpoint");
    assert!(!is_unknown_wallet(&problem(Code::ValidationFailed, &["id"])));
    assert!(!is_unknown_wallet(&DbProxyClient::invalid_response("cut")));
}
