//! A price stream whose exchange is scripted by the test. A *course* is the last price of one pair at one exchange.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use common::{metrics::Metrics, money::CurrencyPair, time::Clock};
use futures_util::{SinkExt, sink, stream};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    sources::RateLimiter,
    streams::{
        Connection, ConnectionError, Connector, IncomingMessage, OutgoingMessage, PROTOCOLS, PriceStream,
        metrics::StreamMetrics, price_stream::StreamContext,
    },
};

/// Maximum wait of a test, in simulated time.
const TEST_TIMEOUT: Duration = Duration::from_secs(600);

/// The exchange's end of a connection.
pub(super) struct ExchangeEnd {
    pub(super) to_client: mpsc::UnboundedSender<Result<IncomingMessage, ConnectionError>>,
    pub(super) from_client: mpsc::UnboundedReceiver<OutgoingMessage>,
    pub(super) connected_at: Instant,
}

impl ExchangeEnd {
    pub(super) fn send(&self, text: &str) {
        let _ = self.to_client.send(Ok(IncomingMessage::Text(text.to_owned())));
    }

    /// Sends a ticker in OKX's format.
    pub(super) fn send_ticker(&self, price: &str, millis: u64) {
        let row =
            format!(r#"{{"instId":"BTC-USDT","last":"{price}","askPx":"{price}","bidPx":"{price}","ts":"{millis}"}}"#);
        self.send(&format!(r#"{{"arg":{{"channel":"tickers","instId":"BTC-USDT"}},"data":[{row}]}}"#));
    }
}

/// Passes each connection to the test, or rejects every connection.
pub(super) struct FakeConnector {
    connections: mpsc::UnboundedSender<ExchangeEnd>,
    /// When each connection was rejected.
    pub(super) rejections: Mutex<Vec<Instant>>,
    rejection: Option<ConnectionError>,
}

#[async_trait]
impl Connector for FakeConnector {
    async fn connect(&self, _: &Url) -> Result<Connection, ConnectionError> {
        if let Some(rejection) = self.rejection.clone() {
            self.rejections.lock().unwrap().push(Instant::now());
            return Err(rejection);
        }
        let (to_client, from_exchange) = mpsc::unbounded_channel();
        let (to_exchange, from_client) = mpsc::unbounded_channel();
        let _ = self.connections.send(ExchangeEnd { to_client, from_client, connected_at: Instant::now() });
        let incoming = stream::unfold(from_exchange, async |mut from| Some((from.recv().await?, from)));
        let outgoing = sink::unfold(to_exchange, async |to: mpsc::UnboundedSender<OutgoingMessage>, message| {
            to.send(message).map_err(|_| ConnectionError::Broken("closed".to_owned()))?;
            Ok(to)
        });
        Ok(Connection {
            simulated: true,
            incoming: Box::pin(incoming),
            outgoing: Box::pin(outgoing.sink_map_err(|error: ConnectionError| error)),
        })
    }
}

/// A running price stream of BTC-USDT.
pub(super) struct RunningStream {
    pub(super) stream: Arc<PriceStream>,
    pub(super) clock: Clock,
    pub(super) connector: Arc<FakeConnector>,
    pub(super) connections: mpsc::UnboundedReceiver<ExchangeEnd>,
    stop: CancellationToken,
}

pub(super) fn btc_usdt() -> CurrencyPair {
    "BTC-USDT".parse().unwrap()
}

impl RunningStream {
    pub(super) fn start(exchange: &str) -> Self {
        Self::start_with(exchange, None, None)
    }

    /// Rejects every connection if `rejection` is set. `request_limiter` is the limiter of the exchange's HTTP
    /// requests.
    pub(super) fn start_with(
        exchange: &str,
        rejection: Option<ConnectionError>,
        request_limiter: Option<RateLimiter>,
    ) -> Self {
        let (sender, connections) = mpsc::unbounded_channel();
        let connector = Arc::new(FakeConnector { connections: sender, rejections: Mutex::default(), rejection });
        let clock = Clock::starting_at("2026-01-02T03:04:05Z".parse().unwrap());
        let base_url = "ws://exchange".parse().unwrap();
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == exchange).unwrap();
        let metrics = StreamMetrics::register(&Metrics::new("feed"));
        let context = StreamContext { connector: connector.clone(), clock, metrics };
        let stream = Arc::new(PriceStream::new(protocol, &base_url, &[btc_usdt()], context, request_limiter));
        let stop = CancellationToken::new();
        let (running, stopped) = (stream.clone(), stop.clone());
        tokio::spawn(async move { running.run(&stopped).await });
        Self { stream, clock, connector, connections, stop }
    }

    /// Reads the courses, which makes the stream connect, and waits for the connection.
    pub(super) async fn connection(&mut self) -> ExchangeEnd {
        self.stream.courses();
        timeout(TEST_TIMEOUT, self.connections.recv()).await.unwrap().unwrap()
    }

    /// The course of BTC-USDT and its age, after all sent messages are processed.
    pub(super) async fn course(&self) -> Option<(String, Duration)> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let (course, observed_at) = *self.stream.courses().get(&btc_usdt())?;
        Some((course.to_string(), self.clock.now().since(observed_at)))
    }
}

impl Drop for RunningStream {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
