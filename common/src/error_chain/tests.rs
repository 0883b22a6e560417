use super::*;

/// An error with this message and cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Outer {
    message: String,
    #[source]
    cause: Box<dyn Error + Send + Sync>,
}

fn outer(message: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Outer {
    Outer { message: message.into(), cause: cause.into() }
}

/// A refused connection, as Linux reports it.
fn refused() -> io::Error {
    let error = io::Error::from_raw_os_error(111);
    assert_eq!(error.to_string(), "Connection refused (os error 111)");
    error
}

#[test]
fn causes_are_separated_by_colons() {
    let error = outer("the order was not stored", outer("the database failed", "it is full"));
    assert_eq!(format_chain(&error), "the order was not stored: the database failed: it is full");
}

#[test]
fn repeated_cause_is_written_once() {
    let redis = outer("Redis is unavailable", redis::RedisError::from(refused()));
    assert_eq!(format_chain(&redis), "Redis is unavailable: the connection was refused");
    // tungstenite reports a broken connection with such a text.
    let socket = outer("WebSocket protocol error: the connection was reset", "the connection was reset");
    assert_eq!(format_chain(&socket), "WebSocket protocol error: the connection was reset");
}

#[tokio::test]
async fn errors_of_inner_layers_of_the_http_client_are_omitted() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{unused}/orders");
    let error = crate::clients::http_client().get(format!("{url}?limit=1")).send().await.unwrap_err();
    let error = outer("db-proxy cannot be reached", error);
    assert_eq!(format_chain(&error), format!("db-proxy cannot be reached: {url}: the connection was refused"));
}

#[test]
fn errors_of_the_operating_system_are_described_in_words() {
    let cause = std::fs::read("/no/such/file").unwrap_err();
    let error = outer("the file cannot be read", cause);
    assert_eq!(format_chain(&error), "the file cannot be read: a part of the path does not exist");
}

#[tokio::test]
async fn closed_connection_is_described_in_plain_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        // Without this read, the connection would be reset instead of closed.
        let _ = tokio::io::AsyncReadExt::read(&mut connection, &mut [0; 4096]).await;
    });
    let error = crate::clients::http_client().get(&url).send().await.unwrap_err();
    server.await.unwrap();
    let text = format_chain(&error);
    assert!(text.ends_with(": the connection was closed before the response was complete"), "{text}");
}
