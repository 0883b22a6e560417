//! What a measurement of a service compares it with: a handler of the same framework that answers the bytes of a file, with
//! nothing around it.
//!
//!     bare-handler PORT FILE
#![allow(clippy::unwrap_used, reason = "a measurement that cannot start ends")]

use bytes::Bytes;
use poem::{Response, Route, Server, endpoint::make_sync, get, listener::TcpListener};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, port, file] = &arguments[..] else { panic!("bare-handler PORT FILE") };
    let body = Bytes::from(std::fs::read(file)?);
    let answer = make_sync(move |_| Response::builder().content_type("application/json").body(body.clone()));
    Server::new(TcpListener::bind(format!("127.0.0.1:{port}"))).run(Route::new().at("/", get(answer))).await
}
