//! The baseline of `tests/bench/rates`: a bare handler of the same HTTP framework that returns the bytes of a file.
//!
//!     bare-handler PORT FILE
#![allow(clippy::unwrap_used, reason = "a panic is how the measurement fails")]

use bytes::Bytes;
use poem::{Response, Route, Server, endpoint::make_sync, get, listener::TcpListener};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, port, file] = &arguments[..] else { panic!("usage: bare-handler PORT FILE") };
    let body = Bytes::from(std::fs::read(file)?);
    let respond = make_sync(move |_| Response::builder().content_type("application/json").body(body.clone()));
    Server::new(TcpListener::bind(format!("127.0.0.1:{port}"))).run(Route::new().at("/", get(respond))).await
}
