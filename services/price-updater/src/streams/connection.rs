//! A WebSocket connection to an exchange, with limits of time and size.

use std::{fmt, pin::Pin, time::Duration};

use async_trait::async_trait;
use futures_util::{Sink, SinkExt, Stream, StreamExt, future};
use tokio_tungstenite::{
    connect_async_tls_with_config,
    tungstenite::{
        self, Message, client::IntoClientRequest, error::ProtocolError, http::HeaderValue, protocol::WebSocketConfig,
    },
};
use url::Url;

use crate::sources::{innermost_cause, retry_after};

/// Identifies the service: some exchanges refuse connections without a user agent.
const USER_AGENT: &str = concat!("buydesk/", env!("CARGO_PKG_VERSION"), " (price-updater)");
/// Maximum size of a message, in bytes. A ticker has less than 1 KiB, the answer to a subscription less than 4 KiB.
const MAX_MESSAGE: usize = 64 * 1024;
/// Size of the read buffer of a connection, in bytes.
const READ_BUFFER: usize = 16 * 1024;
/// Maximum number of unsent bytes. The largest messages are a few subscriptions.
const MAX_UNSENT: usize = 64 * 1024;
/// Maximum time to connect, including DNS, TLS and the WebSocket handshake.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncomingMessage {
    Text(String),
    /// A ping frame. The connection answers it.
    Ping,
    /// The answer to a ping frame that was sent.
    Pong,
    /// Any other message, such as a binary message. No exchange is known to send other messages.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutgoingMessage {
    Text(String),
    Ping,
}

/// Why a connection was not established or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The handshake was answered with an HTTP error.
    #[error("answered with status {status}")]
    Status {
        status: u16,
        /// How long the exchange asks to wait, if it specifies a time.
        retry_after: Option<Duration>,
    },
    #[error("did not answer in time")]
    Timeout,
    #[error("failed: {0}")]
    Broken(String),
    #[error("sent a message of more than {MAX_MESSAGE} bytes")]
    TooLarge,
}

/// An established connection. It answers ping frames automatically.
pub struct Connection {
    /// Whether the other end is exchange-sim.
    pub simulated: bool,
    /// Ends when the exchange closes the connection.
    pub incoming: Pin<Box<dyn Stream<Item = Result<IncomingMessage, ConnectionError>> + Send>>,
    pub outgoing: Pin<Box<dyn Sink<OutgoingMessage, Error = ConnectionError> + Send>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("simulated", &self.simulated).finish_non_exhaustive()
    }
}

/// Connects to exchanges: over the network, or in tests to an exchange in the same process.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Connects to `url`. The caller cancels the call after `CONNECT_TIMEOUT`.
    async fn connect(&self, url: &Url) -> Result<Connection, ConnectionError>;
}

impl fmt::Debug for dyn Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Connects over the network, with TLS for `wss` URLs.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketConnector(());

impl WebSocketConnector {
    pub fn new() -> Self {
        // Installs a TLS provider. An error means that a provider is already installed, which is used instead.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(())
    }
}

impl Default for WebSocketConnector {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Connector for WebSocketConnector {
    async fn connect(&self, url: &Url) -> Result<Connection, ConnectionError> {
        let mut request = url.as_str().into_client_request().map_err(|error| connect_error(&error))?;
        request.headers_mut().insert("user-agent", HeaderValue::from_static(USER_AGENT));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_UNSENT)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let connecting = connect_async_tls_with_config(request, Some(config), true, None);
        let (socket, response) = connecting.await.map_err(|error| connect_error(&error))?;
        let header = response.headers().get("x-simulated").and_then(|value| value.to_str().ok());
        let simulated = header.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (sink, stream) = socket.split();
        let incoming = stream.filter_map(|message| {
            future::ready(match message {
                Ok(Message::Text(text)) => Some(Ok(IncomingMessage::Text(text.as_str().to_owned()))),
                Ok(Message::Ping(_)) => Some(Ok(IncomingMessage::Ping)),
                Ok(Message::Pong(_)) => Some(Ok(IncomingMessage::Pong)),
                Ok(Message::Binary(_) | Message::Frame(_)) => Some(Ok(IncomingMessage::Other)),
                // The stream ends after a close frame.
                Ok(Message::Close(_)) => None,
                Err(error) => Some(Err(connection_error(&error))),
            })
        });
        let outgoing = sink.sink_map_err(|error| connection_error(&error)).with(|message| {
            future::ok(match message {
                OutgoingMessage::Text(text) => Message::text(text),
                OutgoingMessage::Ping => Message::Ping(tungstenite::Bytes::new()),
            })
        });
        Ok(Connection { simulated, incoming: Box::pin(incoming), outgoing: Box::pin(outgoing) })
    }
}

fn connect_error(error: &tungstenite::Error) -> ConnectionError {
    match error {
        tungstenite::Error::Http(response) => {
            ConnectionError::Status { status: response.status().as_u16(), retry_after: retry_after(response.headers()) }
        }
        tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            ConnectionError::Unreachable("the connection was closed".to_owned())
        }
        error => ConnectionError::Unreachable(innermost_cause(error)),
    }
}

fn connection_error(error: &tungstenite::Error) -> ConnectionError {
    match error {
        tungstenite::Error::Capacity(_) => ConnectionError::TooLarge,
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            ConnectionError::Broken("the exchange closed the connection without notice".to_owned())
        }
        error => ConnectionError::Broken(common::error_chain::format_chain(error)),
    }
}

#[cfg(test)]
mod tests;
