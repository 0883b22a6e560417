//! Requests that no proper client would send, byte by byte.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(15);

/// Sends the pieces one after the other, while it reads, and gives everything that came back. What is sent should ask for
/// the connection to be closed.
pub async fn send_raw(address: &str, pieces: &[&[u8]]) -> String {
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    let send = async {
        for piece in pieces {
            // The service may have heard enough before the end.
            if to.write_all(piece).await.is_err() {
                return;
            }
        }
    };
    let mut answer = Vec::new();
    let receive = async {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..length]);
        }
    };
    timeout(LIMIT, async { tokio::join!(send, receive) }).await.expect("an answer, and the end of the connection");
    String::from_utf8_lossy(&answer).into_owned()
}
