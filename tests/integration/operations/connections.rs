//! Clients that hold connections open, and the maximum number of connections.

use std::time::Duration;

use tests::{Platform, Stack};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A client has 10 s to send the head of a request.
const CLOSE_LIMIT: Duration = Duration::from_secs(15);

/// Connects, sends the bytes, and reads until the server closes the connection.
async fn send_and_read_to_end(address: &str, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(bytes).await.unwrap();
    let mut received = Vec::new();
    let closed = timeout(CLOSE_LIMIT, client.read_to_end(&mut received)).await;
    closed.expect("the server closes the connection").unwrap();
    String::from_utf8_lossy(&received).into_owned()
}

#[tokio::test]
async fn connection_with_half_a_request_head_is_closed() {
    let platform = Platform::builder(Stack::Embedded).in_processes().start().await;
    let create_order = platform.create_order.address();
    let received = send_and_read_to_end(&create_order, b"POST /place_order HTTP/1.1\r\nhost: localhost\r\n").await;
    assert_eq!(received, "");
}

#[tokio::test]
async fn connections_above_the_maximum_are_refused_with_a_problem() {
    const LIVEZ: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let platform = Platform::builder(Stack::Embedded).in_processes().start().await;
    let service = platform.fetch_orders.another(&[("MAX_CONNECTIONS", "2")]);
    service.start().await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(service.address()).await.unwrap();
        client.write_all(LIVEZ).await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"ok\n") {
            assert_ne!(client.read_buf(&mut received).await.unwrap(), 0);
        }
        open.push(client);
    }
    let response = send_and_read_to_end(&service.address(), LIVEZ).await;
    assert!(response.starts_with("HTTP/1.1 503 ") && response.contains("\"code\":\"overloaded\""), "{response}");
    drop(open);
    service.wait_until_ready().await;
}
