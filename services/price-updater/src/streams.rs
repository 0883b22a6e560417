//! Prices that exchanges push over WebSocket connections. Each exchange has a file with its message format.
//!
//! A message *confirms* a ticker if it contains the ticker, or shows that the ticker has not changed. Each ticker has the
//! time of the last message that confirmed the ticker. A source with a stream polls only the pairs without a recently
//! confirmed ticker ([`StreamedSource`]). The failure of a stream therefore does not interrupt prices.
//!
//! To add an exchange, write a file with a [`Protocol`] and list it in [`PROTOCOLS`].

mod binance;
mod coinbase;
mod connection;
mod disconnect_reason;
mod kraken;
mod metrics;
mod okx;
mod price_stream;
mod protocol;
mod reconnect_limiter;
mod settings;
mod stream_event;
mod streamed_source;
#[cfg(test)]
mod tests;
pub(crate) mod ticker_cache;

use std::{collections::BTreeMap, sync::Arc};

use common::{metrics::Metrics, time::Clock};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::sources::Source;
pub use connection::{Connection, ConnectionError, Connector, IncomingMessage, OutgoingMessage, WebSocketConnector};
pub use price_stream::{PriceStream, PriceStreamState};

pub(crate) use settings::read_stream_urls;

use metrics::StreamMetrics;
use price_stream::StreamContext;
use protocol::Protocol;
use streamed_source::StreamedSource;

/// The exchanges with a price stream.
pub(crate) const PROTOCOLS: &[Protocol] = &[binance::PROTOCOL, coinbase::PROTOCOL, kraken::PROTOCOL, okx::PROTOCOL];

/// The name of every source with a price stream, and the environment variable with the base URL of the stream. Used to
/// run against simulated exchanges.
pub fn websocket_variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROTOCOLS.iter().map(|protocol| (protocol.name, protocol.url_variable))
}

/// The price streams of the service.
pub(crate) struct PriceStreams {
    /// The base URLs by the names of the sources.
    urls: BTreeMap<&'static str, Url>,
    context: StreamContext,
    streams: Vec<Arc<PriceStream>>,
}

impl PriceStreams {
    /// `urls` has the base URLs by the names of the sources. Sources without a base URL are only polled.
    pub(crate) fn new(
        urls: BTreeMap<&'static str, Url>,
        connector: Arc<dyn Connector>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let context = StreamContext { connector, clock, metrics: StreamMetrics::register(metrics) };
        Self { urls, context, streams: Vec::new() }
    }

    /// Adds the price stream of a source, if it has one. The stream does nothing until [`PriceStreams::run`] runs.
    pub(crate) fn attach(&mut self, polled: Box<dyn Source>) -> Box<dyn Source> {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == polled.name());
        let Some((protocol, url)) = protocol.and_then(|protocol| Some((protocol, self.urls.get(protocol.name)?)))
        else {
            return polled;
        };
        let request_limiter = polled.rate_limiter().cloned();
        let stream = PriceStream::new(protocol, url, polled.pairs(), self.context.clone(), request_limiter);
        let stream = Arc::new(stream);
        self.streams.push(stream.clone());
        Box::new(StreamedSource::new(polled, stream))
    }

    /// Keeps every stream connected while its prices are requested, until `stop` is cancelled.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        join_all(self.streams.iter().map(|stream| stream.run(stop))).await;
    }
}
