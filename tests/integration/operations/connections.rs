//! Clients that hold connections open, and the maximum number of connections.

use tests::{
    Platform, Stack,
    raw_http::{LIVEZ, open_connection, send_raw},
};

#[tokio::test]
async fn connection_with_an_incomplete_request_head_is_closed() {
    let platform = Platform::builder(Stack::Embedded).in_processes().start().await;
    let create_order = platform.create_order.address();
    let received = send_raw(&create_order, &[b"POST /place_order HTTP/1.1\r\nhost: localhost\r\n"]).await;
    assert_eq!(received, "");
}

#[tokio::test]
async fn connections_above_the_maximum_receive_a_problem_document() {
    let platform = Platform::builder(Stack::Embedded).in_processes().start().await;
    let service = platform.fetch_orders.another(&[("MAX_CONNECTIONS", "2")]);
    service.start().await;
    let open = [open_connection(&service.address()).await, open_connection(&service.address()).await];
    let response = send_raw(&service.address(), &[LIVEZ]).await;
    assert!(response.starts_with("HTTP/1.1 503 ") && response.contains("\"code\":\"overloaded\""), "{response}");
    drop(open);
    service.wait_until_ready().await;
}
