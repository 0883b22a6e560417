//! Simulated exchanges in the same process, with no socket between and a time that goes as it is told.

use async_trait::async_trait;
use common::{config::Secret, time::Clock};
use exchange_sim::{Config, FaultKind, FromClient, FromExchange, NewFault, Simulation, WebSocketError};
use futures_util::{SinkExt, sink, stream};
use price_updater::{Connection, ConnectionError, Connector, IncomingMessage, OutgoingMessage};
use tokio::sync::mpsc;
use url::Url;

/// How long a fault of [`fail`] lasts where nobody ends it, in seconds.
const FAULT_SECS: u64 = 3600;

/// A world of exchanges that begins at `clock`; the same seed gives the same prices.
pub fn world(seed: u64, clock: Clock) -> Simulation {
    let config =
        Config { internal_token: Secret::random(), seed, timeline: Vec::new(), enforce_call_limits: false, clock };
    exchange_sim::endpoint(&config).1
}

/// Lets an exchange fail until it is mended, or for an hour.
pub fn fail(world: &Simulation, exchange: &str, kind: FaultKind) {
    world.set_fault(exchange, &NewFault { seconds: Some(FAULT_SECS), ..NewFault::of(kind) }).unwrap();
}

/// The way to the websockets of simulated exchanges: the path of an address says which.
pub struct InProcess(pub Simulation);

#[async_trait]
impl Connector for InProcess {
    async fn connect(&self, url: &Url) -> Result<Connection, ConnectionError> {
        let end = self.0.websocket(url.path(), url.query()).await.map_err(|error| match error {
            WebSocketError::Status(status) => ConnectionError::Status { status, retry_after: None },
            error => ConnectionError::Unreachable(error.to_string()),
        })?;
        let pongs = end.sender.clone();
        let incoming = stream::unfold((end.receiver, pongs), async |(mut hear, pongs)| {
            let message = match hear.recv().await? {
                FromExchange::Text(text) => IncomingMessage::Text(text),
                FromExchange::Ping => {
                    let _ = pongs.send(FromClient::Pong).await;
                    IncomingMessage::Ping
                }
                FromExchange::Pong => IncomingMessage::Pong,
                FromExchange::Close(_) => return None,
            };
            Some((Ok(message), (hear, pongs)))
        });
        let outgoing = sink::unfold(end.sender, async |say: mpsc::Sender<FromClient>, message| {
            let message = match message {
                OutgoingMessage::Text(text) => FromClient::Text(text),
                OutgoingMessage::Ping => FromClient::Ping,
            };
            say.send(message).await.map_err(|_| ConnectionError::Broken("the exchange hung up".to_owned()))?;
            Ok(say)
        });
        Ok(Connection {
            simulated: true,
            incoming: Box::pin(incoming),
            outgoing: Box::pin(outgoing.sink_map_err(|e: ConnectionError| e)),
        })
    }
}
