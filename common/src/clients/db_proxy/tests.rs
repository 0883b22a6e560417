use super::*;

fn problem(code: Code) -> CallError {
    CallError::Problem(DbProxyClient::SERVICE, Box::new(Problem::new(code, "the detail")))
}

#[test]
fn endpoint_that_an_older_release_does_not_have_is_unavailable() {
    let error = unavailable_if_older(problem(Code::NotFound));
    assert!(matches!(&error, CallError::Problem(_, problem) if problem.code == Code::UpstreamUnavailable), "{error:?}");
}

#[test]
fn error_other_than_not_found_is_not_changed() {
    let error = unavailable_if_older(problem(Code::Overloaded));
    assert!(matches!(&error, CallError::Problem(_, problem) if problem.code == Code::Overloaded), "{error:?}");
    let error = unavailable_if_older(CallError::InvalidResponse(DbProxyClient::SERVICE, "cut".to_owned()));
    assert!(matches!(&error, CallError::InvalidResponse(_, reason) if reason == "cut"), "{error:?}");
}
