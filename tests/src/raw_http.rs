//! HTTP requests as raw bytes, for input that no HTTP client library sends.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// A request after which the connection stays open.
pub const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Opens a connection, and completes one request to ensure that the server has accepted the connection.
pub async fn open_connection(address: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(LIVEZ).await.unwrap();
    let mut received = Vec::new();
    while !received.ends_with(b"ok\n") {
        assert_ne!(client.read_buf(&mut received).await.unwrap(), 0);
    }
    client
}

/// Sends the pieces in sequence, and reads at the same time. Returns everything received until the server closes the
/// connection, so the request should contain `connection: close`.
pub async fn send_raw(address: &str, pieces: &[&[u8]]) -> String {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    let send = async {
        for piece in pieces {
            // The service may close the connection before it has read everything.
            if writer.write_all(piece).await.is_err() {
                return;
            }
        }
    };
    let mut response = Vec::new();
    let receive = async {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            response.extend_from_slice(&buffer[..length]);
        }
    };
    timeout(RESPONSE_TIMEOUT, async { tokio::join!(send, receive) })
        .await
        .expect("a response and the end of the connection within the time limit");
    String::from_utf8_lossy(&response).into_owned()
}
