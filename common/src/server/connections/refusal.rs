//! Refuses a connection above the maximum number of connections.

use std::{fmt::Write as _, io::Result};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    api::{Code, Problem},
    server::limits::{MAX_HEAD, REFUSAL_TIMEOUT},
};

/// Sends an error response, and closes the connection.
pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    // A client that does not read the response in time is disconnected.
    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, send_refusal(stream)).await;
}

async fn send_refusal<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Result<u64> {
    stream.write_all(&response().await).await?;
    stream.shutdown().await?;
    // Closing a socket with unread bytes resets the connection, and the client possibly does not receive the response.
    // Therefore, up to `MAX_HEAD` bytes of the request are read and discarded.
    tokio::io::copy(&mut stream.take(MAX_HEAD as u64), &mut tokio::io::sink()).await
}

/// The response to each refused connection.
async fn response() -> Vec<u8> {
    let problem =
        Problem::new(Code::Overloaded, "The service has its maximum number of connections. Try again in a moment.");
    let (parts, body) = problem.respond(None).into_parts();
    let body = body.into_vec().await.expect("a body in memory can be read");
    let mut head = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\n", parts.status, body.len());
    for (name, value) in &parts.headers {
        let _ = write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    [head.as_bytes(), b"\r\n", &body].concat()
}
