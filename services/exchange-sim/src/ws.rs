//! The exchanges' websockets: what each says, when, and what becomes of that while something is wrong with it.
//!
//! What is said has nothing to do with sockets: a session talks over two channels. [`upgrade`] puts them on a socket; a
//! test takes them as they are ([`Simulation::websocket`]) and lets the time of both ends go as it likes.

mod binance;
mod coinbase;
mod dialect;
mod kraken;
mod okx;
mod session;
#[cfg(test)]
mod tests;
mod upgrade;

use tokio::sync::mpsc;

use crate::{Simulation, faults::FaultKind};
use dialect::WsDialect;

pub(crate) use upgrade::with_websockets;

/// Most messages that wait for a client; one that does not take them is cut off, as real ones do.
const QUEUE: usize = 1024;

/// What an exchange says over a websocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromExchange {
    Text(String),
    Ping,
    Pong,
    /// With its code. Where a connection is cut, there is none.
    Close(u16),
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    Text(String),
    Ping,
    Pong,
    Close,
}

/// A client's end of a websocket. Who drops it hangs up; where nothing more is heard, the exchange has.
#[derive(Debug)]
pub struct ClientEnd {
    pub sender: mpsc::Sender<FromClient>,
    pub receiver: mpsc::Receiver<FromExchange>,
}

/// Why there is no websocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    #[error("there is no websocket at this path")]
    NoSuchPath,
    #[error("the connection is refused")]
    Refused,
    #[error("the handshake is answered with status {0}")]
    Status(u16),
}

/// One exchange's websocket: its path, which begins with its name, and who speaks there. What a query means is the
/// exchange's own matter.
struct WsEndpoint {
    exchange: &'static str,
    path: &'static str,
    open: fn(query: Option<&str>) -> Box<dyn WsDialect>,
}

const ENDPOINTS: &[WsEndpoint] = &[binance::ENDPOINT, coinbase::ENDPOINT, kraken::ENDPOINT, okx::ENDPOINT];

impl Simulation {
    /// Connects to the websocket at a path such as `/binance/ws/stream`, with no socket between. Its session is a task of
    /// its own.
    pub async fn websocket(&self, path: &str, query: Option<&str>) -> Result<ClientEnd, WebSocketError> {
        let place = ENDPOINTS.iter().find(|place| place.path == path).ok_or(WebSocketError::NoSuchPath)?;
        let fault = self.faults.active(place.exchange, self.clock.now());
        if let Some(fault) = &fault {
            match fault.kind {
                FaultKind::Down => return Err(WebSocketError::Refused),
                FaultKind::Html520 => return Err(WebSocketError::Status(fault.status())),
                FaultKind::Error500 => return Err(WebSocketError::Status(500)),
                FaultKind::RateLimited | FaultKind::RateLimitedSilently => return Err(WebSocketError::Status(429)),
                FaultKind::IpBanned => return Err(WebSocketError::Status(418)),
                FaultKind::Slow | FaultKind::Throttled => tokio::time::sleep(fault.latency()).await,
                _ => {}
            }
        }
        let (sender, from_client) = mpsc::channel(QUEUE);
        let (to_client, receiver) = mpsc::channel(QUEUE);
        let dialect = (place.open)(query);
        tokio::spawn(session::run(dialect, place.exchange, self.clone(), from_client, to_client));
        Ok(ClientEnd { sender, receiver })
    }
}
