//! Simulated exchanges in the test process, without sockets and with virtual time.

use async_trait::async_trait;
use common::time::Clock;
use exchange_sim::{Config, FaultKind, FromClient, FromExchange, NewFault, Simulation, WebSocketError};
use futures_util::{SinkExt, sink, stream};
use price_updater::{Connection, ConnectionError, Connector, IncomingMessage, OutgoingMessage};
use tokio::sync::mpsc;
use url::Url;

/// How long a fault of [`start_fault`] lasts, in seconds, unless it is ended or replaced before.
const FAULT_SECS: u64 = 3600;

/// Starts a simulation that reads the time from `clock`. The same seed gives the same prices.
pub fn start_simulation(seed: u64, clock: Clock) -> Simulation {
    let config = Config {
        accepted_callers: None,
        seed,
        timeline: Vec::new(),
        market: Vec::new(),
        enforce_rate_limits: false,
        clock,
    };
    exchange_sim::endpoint(&config).1
}

/// Starts a fault at an exchange, for [`FAULT_SECS`].
pub fn start_fault(simulation: &Simulation, exchange: &str, kind: FaultKind) {
    simulation.start_fault(exchange, &NewFault { seconds: Some(FAULT_SECS), ..NewFault::new(kind) }).unwrap();
}

/// Connects to the WebSocket of a simulated exchange. The path of the URL selects the exchange.
pub struct InProcessConnector(pub Simulation);

#[async_trait]
impl Connector for InProcessConnector {
    async fn connect(&self, url: &Url) -> Result<Connection, ConnectionError> {
        let socket = self.0.websocket(url.path(), url.query()).await.map_err(|error| match error {
            WebSocketError::Status(status) => ConnectionError::Status { status, retry_after: None },
            error => ConnectionError::Unreachable(error.to_string()),
        })?;
        let pongs = socket.sender.clone();
        let incoming = stream::unfold((socket.receiver, pongs), async |(mut receiver, pongs)| {
            let message = match receiver.recv().await? {
                FromExchange::Text(text) => IncomingMessage::Text(text),
                FromExchange::Ping => {
                    let _ = pongs.send(FromClient::Pong).await;
                    IncomingMessage::Ping
                }
                FromExchange::Pong => IncomingMessage::Pong,
                FromExchange::Close(_) => return None,
            };
            Some((Ok(message), (receiver, pongs)))
        });
        let outgoing = sink::unfold(socket.sender, async |sender: mpsc::Sender<FromClient>, message| {
            let message = match message {
                OutgoingMessage::Text(text) => FromClient::Text(text),
                OutgoingMessage::Ping => FromClient::Ping,
            };
            let sent = sender.send(message).await;
            sent.map_err(|_| ConnectionError::Broken("the exchange closed the connection".to_owned()))?;
            Ok(sender)
        });
        Ok(Connection {
            simulated: true,
            incoming: Box::pin(incoming),
            outgoing: Box::pin(outgoing.sink_map_err(|e: ConnectionError| e)),
        })
    }
}
