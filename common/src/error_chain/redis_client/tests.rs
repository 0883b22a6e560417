use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    error_chain::format_chain,
    redis_connection::{RedisConnector, RedisServer},
};

/// The text of the error for a server that responds to each command with `answer`. `ADDRESS` in `url` is replaced by the
/// address of the server.
async fn text_of(url: &str, answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut received = [0; 4096];
                while connection.read(&mut received).await.is_ok_and(|bytes| bytes > 0) {
                    // One answer to each command. A command is an array, which begins with an asterisk.
                    let commands = String::from_utf8_lossy(&received).matches('*').count();
                    received.fill(0);
                    if connection.write_all(answer.repeat(commands).as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let server = RedisServer::parse(&url.replace("ADDRESS", &address)).unwrap();
    let connector = RedisConnector::new(&server, std::time::Duration::from_secs(5)).unwrap();
    format_chain(&connector.query::<String>(&redis::cmd("GET")).await.unwrap_err())
}

#[tokio::test]
async fn redis_errors_are_described_without_terms_of_the_client_library() {
    let refused = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    assert_eq!(text_of("redis://ada:secret@ADDRESS", refused).await, "it refuses the user name or the password");
    // The response to `ROLE`.
    let master = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
    assert_eq!(text_of("redis+sentinel://ADDRESS/prices", master).await, "it is not a Sentinel");
    let full = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
    assert_eq!(text_of("redis://ADDRESS", full).await, "OOM command not allowed when used memory > 'maxmemory'.");
    // nginx answers the unknown protocol with this line.
    assert_eq!(text_of("redis://ADDRESS", "HTTP/1.1 400 Bad Request\r\n").await, NOT_REDIS);
    let list = "*1\r\n$1\r\na\r\n";
    assert_eq!(text_of("redis://ADDRESS", list).await, "it sent a response of an unexpected type");
    let other = RedisError::from((ErrorKind::Io, "the connection was not opened in time"));
    assert_eq!(format_chain(&other), "the connection was not opened in time");
}
