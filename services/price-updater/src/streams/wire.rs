//! One connection to an exchange: bounded in time and size, with a name of ours on it.

use std::{fmt, pin::Pin, time::Duration};

use async_trait::async_trait;
use futures_util::{Sink, SinkExt, Stream, StreamExt, future};
use tokio_tungstenite::{
    connect_async_tls_with_config,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};
use url::Url;

use crate::sources::retry_after;

/// Exchanges want to know who asks.
const USER_AGENT: &str = concat!("buydesk/", env!("CARGO_PKG_VERSION"), " (price-updater)");
/// Largest message that is read, in bytes. A ticker has less than 1 KiB, the answer to a subscription less than 4 KiB.
const MAX_MESSAGE: usize = 64 * 1024;
/// What is read from the socket at once, in bytes.
const READ_BUFFER: usize = 16 * 1024;
/// Most that is kept unsent, in bytes: a handful of subscriptions.
const MAX_UNSENT: usize = 64 * 1024;
/// How long a connection may take, with the name looked up, TLS and the handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What an exchange says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    /// A frame that asks whether we are there; the connection has answered it already.
    Ping,
    /// The answer to a ping of ours.
    Pong,
    /// Anything else, such as a message of bytes: none of the exchanges sends one.
    Other,
}

/// What is said to an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Ping,
}

/// Why there is no connection, or none any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("answered with status {status}")]
    Status {
        status: u16,
        /// How long it wants to be left alone, where it said so.
        retry_after: Option<Duration>,
    },
    #[error("gave no answer in time")]
    Timeout,
    #[error("broke off: {0}")]
    Broken(String),
    #[error("sent a message of more than {MAX_MESSAGE} bytes")]
    TooLarge,
}

/// Both directions of a connection. What is heard ends where the exchange closes it; pings are answered by the connection
/// itself.
pub struct Connection {
    /// Whether exchange-sim is at the other end.
    pub simulated: bool,
    pub heard: Pin<Box<dyn Stream<Item = Result<Heard, WireError>> + Send>>,
    pub said: Pin<Box<dyn Sink<Said, Error = WireError> + Send>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("simulated", &self.simulated).finish_non_exhaustive()
    }
}

/// The way to an exchange: a socket, or in a test an exchange in the same process.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Ends whenever it is dropped: the caller bounds it by [`CONNECT_TIMEOUT`].
    async fn connect(&self, url: &Url) -> Result<Connection, WireError>;
}

impl fmt::Debug for dyn Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Sockets, with TLS where the address says `wss`.
#[derive(Debug, Clone, Copy)]
pub struct Sockets(());

impl Sockets {
    pub fn new() -> Self {
        // Fails where one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self(())
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Connector for Sockets {
    async fn connect(&self, url: &Url) -> Result<Connection, WireError> {
        let mut request = url.as_str().into_client_request().map_err(|error| not_connected(&error))?;
        request.headers_mut().insert("user-agent", HeaderValue::from_static(USER_AGENT));
        let limits = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_UNSENT)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let connecting = connect_async_tls_with_config(request, Some(limits), true, None);
        let (socket, response) = connecting.await.map_err(|error| not_connected(&error))?;
        let header = response.headers().get("x-simulated").and_then(|value| value.to_str().ok());
        let simulated = header.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let (sink, stream) = socket.split();
        let heard = stream.filter_map(|message| {
            future::ready(match message {
                Ok(Message::Text(text)) => Some(Ok(Heard::Text(text.as_str().to_owned()))),
                Ok(Message::Ping(_)) => Some(Ok(Heard::Ping)),
                Ok(Message::Pong(_)) => Some(Ok(Heard::Pong)),
                Ok(Message::Binary(_) | Message::Frame(_)) => Some(Ok(Heard::Other)),
                // The stream ends after it.
                Ok(Message::Close(_)) => None,
                Err(error) => Some(Err(broken(&error))),
            })
        });
        let said = sink.sink_map_err(|error| broken(&error)).with(|said| {
            future::ok(match said {
                Said::Text(text) => Message::text(text),
                Said::Ping => Message::Ping(tungstenite::Bytes::new()),
            })
        });
        Ok(Connection { simulated, heard: Box::pin(heard), said: Box::pin(said) })
    }
}

fn not_connected(error: &tungstenite::Error) -> WireError {
    match error {
        tungstenite::Error::Http(response) => {
            WireError::Status { status: response.status().as_u16(), retry_after: retry_after(response.headers()) }
        }
        error => WireError::Unreachable(common::error_chain::format_chain(error)),
    }
}

fn broken(error: &tungstenite::Error) -> WireError {
    match error {
        tungstenite::Error::Capacity(_) => WireError::TooLarge,
        error => WireError::Broken(common::error_chain::format_chain(error)),
    }
}
