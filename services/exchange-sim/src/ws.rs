//! The exchanges' WebSocket endpoints.
//!
//! A [`dialect`] defines the messages of an exchange. A [`session`] decides when they are sent and how a fault changes
//! them. A session has two channels instead of a socket. [`upgrade`] connects the channels to a socket. Tests use the
//! channels directly ([`Simulation::websocket`]), on a clock that they control.
//!
//! To add a WebSocket, write a file with its dialect and list it in [`ENDPOINTS`].

mod binance;
mod coinbase;
mod dialect;
mod kraken;
mod messages;
mod okx;
mod session;
#[cfg(test)]
mod tests;
mod upgrade;

use tokio::sync::mpsc;
use tracing::Instrument;

use crate::{faults::FaultKind, simulation::Simulation};
use dialect::WsEndpoint;

pub use messages::{ClientEnd, FromClient, FromExchange, WebSocketError};
pub(crate) use upgrade::with_websockets;

/// Largest number of messages that wait in either direction. A client that reads too slowly is disconnected, as at real
/// exchanges.
const MAX_QUEUED_MESSAGES: usize = 1024;

const ENDPOINTS: &[WsEndpoint] = &[binance::ENDPOINT, coinbase::ENDPOINT, kraken::ENDPOINT, okx::ENDPOINT];

impl Simulation {
    /// Connects to the WebSocket at a path such as `/binance/ws/stream` without a socket. The session runs in its own
    /// task.
    pub async fn websocket(&self, path: &str, query: Option<&str>) -> Result<ClientEnd, WebSocketError> {
        let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.path == path).ok_or(WebSocketError::NoSuchPath)?;
        let fault = self.faults.active(endpoint.exchange, self.clock.now());
        if let Some(fault) = &fault {
            match fault.kind {
                FaultKind::Down => return Err(WebSocketError::Refused),
                FaultKind::Html520 => return Err(WebSocketError::Status(fault.status())),
                FaultKind::Error500 => return Err(WebSocketError::Status(500)),
                FaultKind::RateLimited | FaultKind::RateLimitedSilently => return Err(WebSocketError::Status(429)),
                FaultKind::IpBanned => return Err(WebSocketError::Status(endpoint.ban_status)),
                FaultKind::Slow | FaultKind::Throttled => tokio::time::sleep(fault.latency()).await,
                _ => {}
            }
        }
        let (sender, from_client) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let (to_client, receiver) = mpsc::channel(MAX_QUEUED_MESSAGES);
        let dialect = (endpoint.new_dialect)(query);
        let session = session::run(dialect, endpoint.exchange, self.clone(), from_client, to_client);
        tokio::spawn(session.in_current_span());
        Ok(ClientEnd { sender, receiver })
    }
}
