use super::*;

#[test]
fn only_what_is_safe_is_sent_again() {
    let problem = CallError::Problem("db-proxy", Box::new(Problem::new(Code::Overloaded, "full")));
    let garbled = CallError::InvalidResponse("db-proxy", String::new());
    for retry in [Retry::Safe, Retry::OnlyIfNotSent] {
        assert!(!may_retry(&problem, retry));
        assert!(!may_retry(&garbled, retry));
    }
}

#[tokio::test]
async fn a_call_to_nobody_ends_at_its_deadline_and_is_known_not_to_have_arrived() {
    let caller = ServiceClient::new(http_client(), "db-proxy", "http://127.0.0.1:1".parse().unwrap(), Secret::random());
    let start = Instant::now();
    let result =
        caller.call_json::<()>(Method::GET, "/x", None::<&()>, Retry::OnlyIfNotSent, Duration::from_millis(200)).await;
    assert!(matches!(result, Err(CallError::Unreachable(..))), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
