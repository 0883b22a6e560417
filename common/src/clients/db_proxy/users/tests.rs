use super::*;
use crate::api::{FieldError, Problem};

fn problem(code: Code, fields: &[&str]) -> CallError {
    let errors = fields.iter().map(|field| FieldError::new(*field, "the reason")).collect();
    CallError::Problem(DbProxyClient::SERVICE, Box::new(Problem { errors, ..Problem::new(code, "the detail") }))
}

#[test]
fn not_found_response_that_names_a_field_means_absent() {
    for field in [USER_ID_FIELD, PREFIX_FIELD, KEY_ID_FIELD] {
        assert!(matches!(none_if_absent::<()>(Err(problem(Code::NotFound, &[field]))), Ok(None)), "{field}");
    }
    assert!(matches!(problem(Code::NotFound, &[USER_ID_FIELD]).into(), DirectoryError::UserNotFound));
    assert!(matches!(problem(Code::NotFound, &[KEY_ID_FIELD]).into(), DirectoryError::KeyNotFound));
    assert!(matches!(none_if_absent(Ok(5)), Ok(Some(5))));
}

/// An older db-proxy does not have the endpoint. During the upgrade, a valid key must not be refused as unknown.
#[test]
fn not_found_response_without_a_field_means_unavailable() {
    let error = none_if_absent::<()>(Err(problem(Code::NotFound, &[]))).expect_err("an error");
    assert!(matches!(&error, CallError::Problem(_, problem) if problem.code == Code::UpstreamUnavailable), "{error:?}");
}

#[test]
fn db_proxy_without_the_method_means_unavailable() {
    let DirectoryError::Call(error) = problem(Code::MethodNotAllowed, &[]).into() else {
        panic!("the error is not `DirectoryError::Call`")
    };
    assert!(matches!(&error, CallError::Problem(_, problem) if problem.code == Code::UpstreamUnavailable), "{error:?}");
}

#[test]
fn conflicts_are_distinguished_by_their_codes() {
    assert!(matches!(problem(Code::EmailTaken, &["email"]).into(), DirectoryError::EmailTaken));
    assert!(matches!(problem(Code::KeyLimitExceeded, &[]).into(), DirectoryError::TooManyKeys));
    assert!(matches!(problem(Code::KeyRevoked, &[]).into(), DirectoryError::KeyRevoked));
    assert!(matches!(problem(Code::ValidationFailed, &[PREFIX_FIELD]).into(), DirectoryError::PrefixTaken));
    for other in [problem(Code::ValidationFailed, &["name"]), problem(Code::DatabaseUnavailable, &[])] {
        let text = other.to_string();
        assert!(matches!(DirectoryError::from(other), DirectoryError::Call(error) if error.to_string() == text));
    }
}

#[test]
fn write_that_may_have_been_received_without_a_response_has_an_unknown_outcome() {
    let unknown = |error, unanswered| match DirectoryError::of_write(error, unanswered) {
        DirectoryError::OutcomeUnknown(_) => true,
        DirectoryError::Call(_) => false,
        refusal => panic!("{refusal:?}"),
    };
    assert!(!unknown(problem(Code::DatabaseUnavailable, &[]), false));
    // The last attempt had no effect, but an earlier attempt may have had an effect.
    assert!(unknown(problem(Code::DatabaseUnavailable, &[]), true));
    assert!(unknown(problem(Code::OutcomeUnknown, &[]), false));
    assert!(unknown(CallError::InvalidResponse(DbProxyClient::SERVICE, "status 502".to_owned()), false));
    // A conflict is certain: db-proxy does not refuse a request because of an earlier attempt of the same request.
    let refused = DirectoryError::of_write(problem(Code::KeyRevoked, &[]), true);
    assert!(matches!(refused, DirectoryError::KeyRevoked), "{refused:?}");
}
