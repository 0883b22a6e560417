//! One connection of a price stream, from the handshake to its end.

use std::{convert::Infallible, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::{IDLE_TIMEOUT, PriceStream};
use crate::{
    sources::SourceError,
    streams::{
        connection::{CONNECT_TIMEOUT, Connection, ConnectionError, IncomingMessage, OutgoingMessage},
        disconnect_reason::DisconnectReason,
        protocol::{Probe, ProbeMessage, TICKER_TIMEOUT},
        stream_event::StreamEvent,
        ticker_cache::ApplyResult,
    },
};

/// Maximum time to send one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

impl PriceStream {
    /// Connects, subscribes and receives messages. Returns why the connection ended.
    pub(super) async fn connect_and_listen(&self) -> DisconnectReason {
        let source = self.protocol.name;
        self.context.metrics.record_attempt(source);
        self.lock().connects += 1;
        let connecting = timeout(CONNECT_TIMEOUT, self.context.connector.connect(&self.url)).await;
        let mut connection = match connecting.unwrap_or(Err(ConnectionError::Timeout)) {
            Ok(connection) => connection,
            Err(error) => return DisconnectReason::ConnectFailed(error),
        };
        {
            let mut state = self.lock();
            state.cache.start_connection(connection.simulated);
            state.connected_since = Some(self.context.clock.now());
        }
        self.context.metrics.set_connected(source, true);
        tracing::info!(source, simulated = connection.simulated, "a price stream is connected");
        for message in (self.protocol.subscribe_messages)(&self.symbols) {
            if let Err(error) = send(&mut connection, OutgoingMessage::Text(message)).await {
                return DisconnectReason::ConnectionBroken(error);
            }
        }
        match self.listen(&mut connection).await {
            Ok(never) => match never {},
            Err(reason) => reason,
        }
    }

    /// Receives messages and sends probes until the connection must end.
    async fn listen(&self, connection: &mut Connection) -> Result<Infallible, DisconnectReason> {
        let now = Instant::now();
        let mut activity = Activity { connected: now, last_message: now, last_ticker: now };
        let mut probe_sent = false;
        loop {
            let (ends_at, reason) = self.next_timeout(activity);
            if Instant::now() >= ends_at {
                return Err(reason);
            }
            let probe = self.protocol.timeouts.probe.filter(|_| !probe_sent);
            let probe = probe.map(|Probe { after, message }| (activity.last_message + after, message));
            tokio::select! {
                message = connection.incoming.next() => {
                    (activity.last_message, probe_sent) = (Instant::now(), false);
                    let message = message.ok_or(DisconnectReason::ClosedByExchange)?;
                    if self.handle_message(message.map_err(DisconnectReason::ConnectionBroken)?)? {
                        activity.last_ticker = activity.last_message;
                    }
                }
                () = sleep_until(probe.map_or(ends_at, |(probe_at, _)| ends_at.min(probe_at))) => {
                    if let Some((_, message)) = probe.filter(|(probe_at, _)| *probe_at <= Instant::now()) {
                        probe_sent = true;
                        send(connection, message.into()).await.map_err(DisconnectReason::ConnectionBroken)?;
                    }
                }
            }
        }
    }

    /// The end of the earliest timeout, and the reason with which that timeout ends the connection.
    fn next_timeout(&self, activity: Activity) -> (Instant, DisconnectReason) {
        let timeouts = self.protocol.timeouts;
        let idle_at = self.requested_at.borrow().map_or_else(Instant::now, |at| at + IDLE_TIMEOUT);
        let max_age = timeouts.max_connection_age;
        let others = [
            Some((activity.last_ticker + TICKER_TIMEOUT, DisconnectReason::TickerTimeout)),
            Some((idle_at, DisconnectReason::Idle)),
            max_age.map(|age| (activity.connected + age, DisconnectReason::MaxAgeReached)),
        ];
        let first = (activity.last_message + timeouts.message_timeout, DisconnectReason::MessageTimeout);
        others.into_iter().flatten().fold(first, |first, next| if next.0 < first.0 { next } else { first })
    }

    /// Applies a message to the cache. Returns whether the message updated a ticker, or why the connection must end.
    fn handle_message(&self, message: IncomingMessage) -> Result<bool, DisconnectReason> {
        let (source, now) = (self.protocol.name, self.context.clock.now());
        let metrics = &self.context.metrics;
        let mut state = self.lock();
        state.messages += 1;
        let text = match message {
            IncomingMessage::Text(text) => text,
            IncomingMessage::Ping | IncomingMessage::Pong => {
                // If the exchange sends heartbeats for each pair, a ping or pong frame confirms no ticker.
                if self.protocol.timeouts.book_validity.is_none() {
                    state.cache.confirm_connection(now);
                }
                metrics.record_message(source, ApplyResult::Confirmed.kind());
                return Ok(false);
            }
            IncomingMessage::Other => {
                metrics.record_message(source, ApplyResult::Ignored.kind());
                return Ok(false);
            }
        };
        let events = (self.protocol.parse)(&text).map_err(|error| {
            metrics.record_message(source, "garbled");
            DisconnectReason::InvalidMessage(error)
        })?;
        let mut updated = false;
        for event in events {
            match &event {
                StreamEvent::ShutdownAnnounced => return Err(DisconnectReason::ShutdownAnnounced),
                StreamEvent::TradingHalted(status) => {
                    return Err(DisconnectReason::TradingHalted(SourceError::refused(status)));
                }
                StreamEvent::RequestRefused(reason) => {
                    metrics.record_message(source, "refused");
                    let error = SourceError::refused(reason);
                    tracing::debug!(source, %error, "an exchange refused a request of a price stream");
                    continue;
                }
                _ => {}
            }
            let result = state.cache.apply_event(&event, now);
            metrics.record_message(source, result.kind());
            match result {
                ApplyResult::Updated => updated = true,
                ApplyResult::MessageLost => return Err(DisconnectReason::MessageLost),
                ApplyResult::Confirmed | ApplyResult::Outdated | ApplyResult::Ignored => {}
            }
        }
        Ok(updated)
    }
}

/// The times from which the timeouts of a connection are measured.
#[derive(Debug, Clone, Copy)]
struct Activity {
    connected: Instant,
    last_message: Instant,
    last_ticker: Instant,
}

impl From<ProbeMessage> for OutgoingMessage {
    fn from(message: ProbeMessage) -> Self {
        match message {
            ProbeMessage::PingFrame => Self::Ping,
            ProbeMessage::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

async fn send(connection: &mut Connection, message: OutgoingMessage) -> Result<(), ConnectionError> {
    timeout(SEND_TIMEOUT, connection.outgoing.send(message)).await.unwrap_or(Err(ConnectionError::Timeout))
}
