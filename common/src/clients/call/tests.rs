use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::config::{AcceptedCallers, Caller, ServerKey};

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

const INTERNAL_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A server that answers requests whose token it accepts, and rejects the others. Returns its address, and the tokens of the
/// requests in their order when `requests` of them were answered.
async fn token_server(
    accepts: impl Fn(&str) -> bool + Send + 'static,
    requests: usize,
) -> (Url, tokio::task::JoinHandle<Vec<String>>) {
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

async fn call_as_rates(url: Url, token: impl Into<CallerToken>) -> Result<(), CallError> {
    let client = ServiceClient::new(http_client(), "db-proxy", url, token);
    client.call_json(Method::GET, "/x", None::<&()>, Retry::OnlyIfNotSent, Duration::from_secs(5)).await
}

#[tokio::test]
async fn derived_token_is_sent_alone_to_a_server_that_accepts_it() {
    let accepted = AcceptedCallers::of_internal_token(Secret::new(INTERNAL_TOKEN), "db-proxy");
    let (url, served) = token_server(move |token| accepted.caller(token) == Some(Caller::RATES), 1).await;
    call_as_rates(url, CallerToken::derive(Secret::new(INTERNAL_TOKEN), Caller::RATES, "db-proxy")).await.unwrap();
    assert_ne!(served.await.unwrap(), [INTERNAL_TOKEN]);
}

/// The last release knows no derived tokens. Services are replaced in any order.
#[tokio::test]
async fn internal_token_is_sent_to_a_server_of_the_last_release() {
    let (url, served) = token_server(|token| token == INTERNAL_TOKEN, 2).await;
    call_as_rates(url, CallerToken::derive(Secret::new(INTERNAL_TOKEN), Caller::RATES, "db-proxy")).await.unwrap();
    assert_eq!(served.await.unwrap()[1], INTERNAL_TOKEN);
}

#[tokio::test]
async fn service_with_its_own_token_has_no_other_one() {
    let token = ServerKey::derive(&Secret::new(INTERNAL_TOKEN), "db-proxy").token(Caller::RATES);
    let (url, served) = token_server(|_| false, 1).await;
    let error = call_as_rates(url, token.clone()).await.unwrap_err();
    assert!(matches!(error, CallError::InvalidResponse(..)), "{error:?}");
    assert_eq!(served.await.unwrap(), [token.expose()]);
}
