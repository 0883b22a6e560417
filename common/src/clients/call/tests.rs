use super::*;

#[test]
fn processed_request_is_never_retried() {
    let problem = CallError::Problem("db-proxy", Box::new(Problem::new(Code::Overloaded, "full")));
    let invalid = CallError::InvalidResponse("db-proxy", String::new());
    for retry in [Retry::Safe, Retry::OnlyIfNotSent] {
        assert!(!may_retry(&problem, retry));
        assert!(!may_retry(&invalid, retry));
    }
}

#[tokio::test]
async fn refused_connection_is_reported_as_unreachable_within_the_deadline() {
    let client = ServiceClient::new(http_client(), "db-proxy", "http://127.0.0.1:1".parse().unwrap(), Secret::random());
    let start = Instant::now();
    let result =
        client.call_json::<()>(Method::GET, "/x", None::<&()>, Retry::OnlyIfNotSent, Duration::from_millis(200)).await;
    assert!(matches!(result, Err(CallError::Unreachable(..))), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
