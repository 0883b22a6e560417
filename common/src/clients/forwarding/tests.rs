use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::clients::http_client;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A client, and the listener to which it connects. The test accepts the connections itself.
async fn client_of_listener() -> (ForwardingClient, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (ForwardingClient::new(http_client(), "fetch-orders", base), listener)
}

async fn get(client: &ForwardingClient, headers: &HeaderMap) -> Result<ForwardedResponse, ForwardingError> {
    client.get(ForwardedRead { path: "//elsewhere.example/x", query: Some("limit=5"), headers, peer: PEER }).await
}

/// Accepts a connection, reads the head of the request, and sends `response`.
async fn answer(listener: &TcpListener, response: &str) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
    }
    stream.write_all(response.as_bytes()).await.unwrap();
    (stream, String::from_utf8(head).unwrap())
}

#[tokio::test]
async fn request_and_response_are_forwarded_without_the_headers_of_the_connection() {
    let (client, listener) = client_of_listener().await;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("accept-encoding", "gzip"),
        ("if-none-match", "\"1f\""),
        ("x-forwarded-for", "198.51.100.1"),
        ("host", "evil.example"),
        ("connection", "close"),
        ("cookie", "secret"),
        ("authorization", "Bearer secret"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let response = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\nratelimit-remaining: 5\r\n\
         connection: close\r\ncontent-length: 3\r\n\r\n{}\n";
    let (answered, (_stream, sent)) = tokio::join!(get(&client, &headers), answer(&listener, response));
    let ForwardedResponse { status, headers, mut body } = answered.unwrap();
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers["content-length"], "3");
    assert_eq!(headers["ratelimit-remaining"], "5");
    assert!(!headers.contains_key("connection"));
    assert_eq!(body.next().await.unwrap().unwrap(), "{}\n");
    assert!(body.next().await.is_none());
    // The path of a request never selects another server.
    let own_address = listener.local_addr().unwrap();
    assert!(sent.starts_with("GET //elsewhere.example/x?limit=5 HTTP/1.1\r\n"), "{sent}");
    for line in [
        format!("host: {own_address}"),
        "accept-encoding: gzip".to_owned(),
        "if-none-match: \"1f\"".to_owned(),
        "x-forwarded-for: 198.51.100.1".to_owned(),
        "x-forwarded-for: 192.0.2.7".to_owned(),
    ] {
        assert!(sent.contains(&format!("{line}\r\n")), "{line}\n{sent}");
    }
    assert!(!sent.contains("secret") && !sent.contains("evil"), "{sent}");
}

#[tokio::test]
async fn credentials_are_forwarded_only_by_a_client_with_credentials() {
    let (client, listener) = client_of_listener().await;
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer bdk_1"))]);
    for (client, forwards) in [(client.clone(), false), (client.with_credentials(), true)] {
        let response = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        let (_, (_stream, sent)) = tokio::join!(get(&client, &headers), answer(&listener, response));
        assert_eq!(sent.contains("authorization: Bearer bdk_1\r\n"), forwards, "{sent}");
    }
}

#[tokio::test]
async fn silent_service_is_unavailable_after_the_deadline() {
    let (client, listener) = client_of_listener().await;
    let headers = HeaderMap::new();
    let receive = async {
        let connection = answer(&listener, "").await;
        tokio::time::pause();
        connection
    };
    let (answered, _connection) = tokio::join!(get(&client, &headers), receive);
    let Err(error) = answered else { panic!("the request succeeded") };
    assert!(matches!(error, ForwardingError::Call(CallError::InvalidResponse(..))), "{error:?}");
    let problem = Problem::from(error);
    assert_eq!(problem.code, Code::UpstreamUnavailable);
    assert!(problem.detail.contains("fetch-orders"), "{problem}");
}

#[tokio::test]
async fn read_is_sent_again_if_the_service_closes_its_connection_without_a_response() {
    let (client, listener) = client_of_listener().await;
    let serve = async {
        drop(answer(&listener, "").await);
        answer(&listener, "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await
    };
    let headers = HeaderMap::new();
    let (answered, _stream) = tokio::join!(get(&client, &headers), serve);
    assert_eq!(answered.unwrap().status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn service_that_is_not_running_is_unavailable() {
    let (client, listener) = client_of_listener().await;
    drop(listener);
    let Err(error) = get(&client, &HeaderMap::new()).await else { panic!("the request succeeded") };
    assert!(matches!(error, ForwardingError::Call(CallError::Unreachable("fetch-orders", _))), "{error:?}");
}

#[tokio::test]
async fn body_that_stops_fails_after_the_deadline() {
    let (client, listener) = client_of_listener().await;
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst";
    let headers = HeaderMap::new();
    let (answered, _stream) = tokio::join!(get(&client, &headers), answer(&listener, response));
    let mut body = answered.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "first");
    tokio::time::pause();
    assert_eq!(body.next().await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn requests_above_the_maximum_are_refused_until_a_body_is_dropped() {
    let (client, listener) = client_of_listener().await;
    let client = ForwardingClient { permits: Arc::new(Semaphore::new(1)), ..client };
    let headers = HeaderMap::new();
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst";
    let (answered, _stream) = tokio::join!(get(&client, &headers), answer(&listener, response));
    let Err(error) = get(&client, &headers).await else { panic!("the request succeeded") };
    assert_eq!(Problem::from(error).code, Code::Overloaded);
    drop(answered);
    let (answered, _stream) = tokio::join!(get(&client, &headers), answer(&listener, response));
    assert!(answered.is_ok());
}
