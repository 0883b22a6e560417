use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    config::{AcceptedCallers, Caller, ServerKey},
    server::limits,
};

#[test]
fn request_with_a_response_is_not_retried_at_the_same_instance() {
    let problem = CallError::Problem("db-proxy", Box::new(Problem::new(Code::Overloaded, "full")));
    let invalid = CallError::InvalidResponse("db-proxy", String::new());
    for retry in [Retry::Safe, Retry::OnlyIfNotSent] {
        assert!(!may_retry(&problem, retry));
        assert!(!may_retry(&invalid, retry));
    }
}

#[tokio::test]
async fn refused_connection_is_reported_as_unreachable_within_the_deadline() {
    let url: ServiceUrls = "http://127.0.0.1:1".parse().unwrap();
    let client = ServiceClient::new(http_client(), "db-proxy", url, Secret::random());
    let start = Instant::now();
    // The client stops retrying after `UNREACHABLE_DEADLINE`, which is much shorter. So this deadline interrupts no
    // attempt, even on a busy machine.
    let deadline = Duration::from_secs(10);
    let result = client.call_json::<()>(Method::GET, "/x", None::<&()>, Retry::OnlyIfNotSent, deadline).await;
    assert!(matches!(result, Err(CallError::Unreachable(..))), "{result:?}");
    assert!(start.elapsed() < deadline);
}

/// The error of a request that was not sent.
fn transport_error() -> reqwest::Error {
    http_client().get("no URL").build().unwrap_err()
}

/// How a server responds to a request.
#[derive(Debug, Clone, Copy)]
enum Reply {
    Success,
    Overloaded,
    /// The token is known, but does not permit the operation.
    Forbidden,
    /// The server closes the connection without a response.
    Nothing,
}

/// Starts a server that sends one reply per request and then stops listening. Returns the URL of the server, and a task
/// that returns the number of requests.
async fn scripted_server(replies: &'static [Reply]) -> (ServiceUrls, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        for reply in replies {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            let problem_response = |status: &str, code: Code| {
                let problem = Problem::new(code, "refused").to_json();
                format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/problem+json\r\nretry-after: 7\r\n\
                     content-length: {}\r\n\r\n{problem}",
                    problem.len()
                )
            };
            let response = match reply {
                Reply::Success => "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nnull".to_owned(),
                Reply::Overloaded => problem_response("503 Service Unavailable", Code::Overloaded),
                Reply::Forbidden => problem_response("403 Forbidden", Code::Forbidden),
                Reply::Nothing => continue,
            };
            stream.write_all(response.as_bytes()).await.unwrap();
        }
        replies.len()
    });
    (format!("http://{address}").parse().unwrap(), served)
}

/// Calls a server that sends these replies. Asserts that the server received one request for each reply, and returns the
/// outcome of the call.
async fn call_scripted(replies: &'static [Reply], retry: Retry) -> CallOutcome {
    let (url, served) = scripted_server(replies).await;
    let client = ServiceClient::new(http_client(), "db-proxy", url, Secret::random());
    let deadline = Duration::from_millis(1500);
    let outcome = client.call(Method::POST, "/x", Some(&"body"), retry, deadline).await;
    assert_eq!(served.await.unwrap(), replies.len());
    outcome
}

#[tokio::test]
async fn request_without_a_response_is_sent_again_if_a_retry_is_safe() {
    let outcome = call_scripted(&[Reply::Nothing, Reply::Nothing, Reply::Success], Retry::Safe).await;
    assert_eq!(outcome.result.unwrap(), "null");
    assert!(outcome.unanswered, "two attempts may have taken effect");
}

#[tokio::test]
async fn request_without_a_response_is_not_sent_again_if_a_retry_is_not_safe() {
    let outcome = call_scripted(&[Reply::Nothing], Retry::OnlyIfNotSent).await;
    assert!(matches!(outcome.result, Err(CallError::NoResponse(..))), "{outcome:?}");
    assert!(!outcome.unanswered, "there is no earlier attempt");
}

#[tokio::test]
async fn response_to_the_first_attempt_leaves_no_unanswered_attempt() {
    let outcome = call_scripted(&[Reply::Success], Retry::Safe).await;
    assert_eq!(outcome.result.unwrap(), "null");
    assert!(!outcome.unanswered);
}

#[tokio::test]
async fn later_failures_do_not_hide_an_attempt_without_a_response() {
    let outcome = call_scripted(&[Reply::Nothing, Reply::Overloaded], Retry::Safe).await;
    assert!(matches!(&outcome.result, Err(CallError::Problem(_, p)) if p.code == Code::Overloaded), "{outcome:?}");
    assert!(outcome.unanswered, "the first attempt may have taken effect");
    let outcome = call_scripted(&[Reply::Nothing], Retry::Safe).await;
    assert!(matches!(outcome.result, Err(CallError::Unreachable(..))), "{outcome:?}");
    assert!(outcome.unanswered, "the first attempt may have taken effect");
}

/// The settings of the platform are wrong, so the client of the calling service must not receive a 403.
#[tokio::test]
async fn forbidden_response_is_reported_as_a_refused_token() {
    let outcome = call_scripted(&[Reply::Forbidden], Retry::Safe).await;
    let error = outcome.result.unwrap_err();
    assert!(matches!(error, CallError::TokenRefused("db-proxy", _, TokenRefusal::NotPermitted)), "{error:?}");
    assert_eq!(error.to_problem(Code::UpstreamUnavailable).code, Code::UpstreamUnavailable);
}

#[test]
fn server_that_may_have_received_the_request_is_called_until_the_deadline() {
    let long = UNREACHABLE_DEADLINE * 5;
    let (unreachable, no_response) =
        (CallError::Unreachable("db-proxy", transport_error()), CallError::NoResponse("db-proxy", transport_error()));
    assert_eq!(retry_deadline(&unreachable, false, long), UNREACHABLE_DEADLINE);
    assert_eq!(retry_deadline(&unreachable, false, UNREACHABLE_DEADLINE / 2), UNREACHABLE_DEADLINE / 2);
    assert_eq!(retry_deadline(&unreachable, true, long), long);
    assert_eq!(retry_deadline(&no_response, false, long), long);
}

#[test]
fn only_problems_with_status_503_are_passed_on_to_the_client() {
    let problem_of = |code: Code| {
        let problem = Problem::new(code, "the detail of the service");
        CallError::Problem("db-proxy", Box::new(problem)).to_problem(Code::UpstreamUnavailable)
    };
    for code in [Code::Overloaded, Code::DatabaseUnavailable, Code::OutcomeUnknown] {
        let problem = problem_of(code);
        assert_eq!((problem.code, &*problem.detail), (code, "the detail of the service"));
    }
    for refusal in [TokenRefusal::Unknown, TokenRefusal::NotPermitted] {
        let error = CallError::TokenRefused("db-proxy", "create-order", refusal);
        let problem = error.to_problem(Code::UpstreamUnavailable);
        assert_eq!(problem.code, Code::UpstreamUnavailable);
        assert!(!problem.detail.to_lowercase().contains("token"), "{}", problem.detail);
    }
    for code in [Code::ValidationFailed, Code::NotFound] {
        let problem = problem_of(code);
        assert_eq!(problem.code, Problem::internal().code);
        assert_ne!(problem.detail, "the detail of the service");
    }
    for error in [
        CallError::Unreachable("db-proxy", transport_error()),
        CallError::NoResponse("db-proxy", transport_error()),
        CallError::InvalidResponse("db-proxy", String::new()),
    ] {
        assert_eq!(error.to_problem(Code::CacheUnavailable).code, Code::CacheUnavailable);
    }
}

const INTERNAL_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Starts a server that accepts or rejects each request by its token. Returns the URL of the server, and a task that
/// ends after `requests` requests and returns their tokens in order.
async fn token_server(
    accepts: impl Fn(&str) -> bool + Send + 'static,
    requests: usize,
) -> (ServiceUrls, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let mut tokens = Vec::new();
        while tokens.len() < requests {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let token = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap().to_owned();
            let response = if accepts(&token) {
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nnull"
            } else {
                "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            };
            stream.write_all(response.as_bytes()).await.unwrap();
            tokens.push(token);
        }
        tokens
    });
    (format!("http://{address}").parse().unwrap(), served)
}

async fn call_as_rates(url: ServiceUrls, token: impl Into<CallerToken>) -> Result<(), CallError> {
    let client = ServiceClient::new(http_client(), "db-proxy", url, token);
    client.call_json(Method::GET, "/x", None::<&()>, Retry::OnlyIfNotSent, Duration::from_secs(5)).await
}

#[tokio::test]
async fn server_that_accepts_the_derived_token_receives_no_other_token() {
    let accepted = AcceptedCallers::of_internal_token(Secret::new(INTERNAL_TOKEN), "db-proxy");
    let (url, served) = token_server(move |token| accepted.caller(token) == Some(Caller::RATES), 1).await;
    call_as_rates(url, CallerToken::derive(Secret::new(INTERNAL_TOKEN), Caller::RATES, "db-proxy")).await.unwrap();
    assert_ne!(served.await.unwrap(), [INTERNAL_TOKEN]);
}

/// A server of the previous release does not accept derived tokens.
#[tokio::test]
async fn internal_token_is_sent_to_a_server_of_the_previous_release() {
    let (url, served) = token_server(|token| token == INTERNAL_TOKEN, 2).await;
    call_as_rates(url, CallerToken::derive(Secret::new(INTERNAL_TOKEN), Caller::RATES, "db-proxy")).await.unwrap();
    assert_eq!(served.await.unwrap()[1], INTERNAL_TOKEN);
}

#[tokio::test]
async fn service_with_its_own_token_sends_no_other_token() {
    let token = ServerKey::derive(&Secret::new(INTERNAL_TOKEN), "db-proxy").token(Caller::RATES);
    let (url, served) = token_server(|_| false, 1).await;
    let error = call_as_rates(url, token.clone()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "db-proxy refuses the token of rates: INTERNAL_TOKEN differs, or the token or key that is set instead of it"
    );
    assert_eq!(served.await.unwrap(), [token.expose()]);
}

/// Starts a server that answers every request and keeps its connections open. Returns its URL, and the number of connections.
async fn server_with_lasting_connections() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                }
            });
        }
    });
    (url, connections)
}

#[tokio::test]
async fn idle_connection_is_dropped_before_the_server_closes_it() {
    let (url, connections) = server_with_lasting_connections().await;
    let client = http_client();
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(connections.load(Relaxed), 1);
    tokio::time::pause();
    tokio::time::advance(limits::IDLE_TIMEOUT.saturating_sub(Duration::from_secs(5))).await;
    tokio::time::resume();
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(connections.load(Relaxed), 2);
}
