use super::*;

#[test]
fn broken_connection_is_described_in_plain_words() {
    let io = |kind: std::io::ErrorKind| tungstenite::Error::Io(kind.into());
    for (error, expected) in [
        (
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
            "failed: the exchange closed the connection without notice",
        ),
        (io(std::io::ErrorKind::ConnectionReset), "failed: IO error: the connection was closed"),
    ] {
        assert_eq!(connection_error(&error).to_string(), expected);
    }
}

#[tokio::test]
async fn closed_connection_during_the_handshake_is_described_in_plain_words() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/", listener.local_addr().unwrap())).unwrap();
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        // Without this read, the connection would be reset instead of closed.
        let _ = tokio::io::AsyncReadExt::read(&mut connection, &mut [0; 4096]).await;
    });
    let error = WebSocketConnector::new().connect(&url).await.unwrap_err();
    server.await.unwrap();
    assert_eq!(error.to_string(), "cannot be reached: the connection was closed");
}
