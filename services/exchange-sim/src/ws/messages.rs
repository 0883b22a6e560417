//! The messages of a simulated WebSocket, and the channels that connect its client to the exchange.

use tokio::sync::mpsc;

/// A message from an exchange to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromExchange {
    Text(String),
    Ping,
    Pong,
    /// A close frame with its code. A connection that is cut ends without a close frame.
    Close(u16),
}

/// A message from a client to an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    Text(String),
    Ping,
    Pong,
    Close,
}

/// A client's end of a WebSocket. The connection closes when this value is dropped. The receiver returns `None` after
/// the exchange has closed the connection.
#[derive(Debug)]
pub struct ClientEnd {
    pub sender: mpsc::Sender<FromClient>,
    pub receiver: mpsc::Receiver<FromExchange>,
}

/// Why a WebSocket was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    #[error("this path has no WebSocket endpoint")]
    NoSuchPath,
    #[error("the exchange refused the connection")]
    Refused,
    #[error("the exchange answered the handshake with status {0}")]
    Status(u16),
}
