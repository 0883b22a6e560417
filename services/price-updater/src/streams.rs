//! Prices that exchanges push over websockets: one file an exchange, which knows what is said to it and what its texts
//! mean.
//!
//! A feed tells only what is proved: each quote carries the time of the last message or heartbeat that shows that the
//! connection is whole. Whatever a feed does not tell, the source that polls the exchange is asked for ([`Hybrid`]), so
//! that the loss of a feed costs no price.
//!
//! A further exchange is a file with a [`Protocol`] and a line in [`PROTOCOLS`].

mod binance;
pub(crate) mod book;
mod coinbase;
mod end;
mod event;
mod feed;
mod hybrid;
mod kraken;
mod metrics;
mod okx;
mod pace;
mod protocol;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

use common::{metrics::Metrics, time::Clock};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::sources::Source;
pub use feed::{PriceStream, PriceStreamState};
pub use wire::{CONNECT_TIMEOUT, Connection, Connector, Heard, Said, Sockets, WireError};

pub(crate) use settings::read;

use hybrid::Hybrid;
use metrics::StreamMetrics;
use protocol::Protocol;

/// The exchanges that are listened to.
pub(crate) const PROTOCOLS: &[Protocol] = &[binance::PROTOCOL, coinbase::PROTOCOL, kraken::PROTOCOL, okx::PROTOCOL];

/// The name of every source that has a websocket and the variable that sets where it is, for those that run exchanges of
/// their own.
pub fn websocket_variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROTOCOLS.iter().map(|protocol| (protocol.name, protocol.url_variable))
}

/// The feeds of the service.
pub(crate) struct PriceStreams {
    urls: BTreeMap<&'static str, Url>,
    connector: Arc<dyn Connector>,
    clock: Clock,
    metrics: StreamMetrics,
    all: Vec<Arc<PriceStream>>,
}

impl PriceStreams {
    /// PriceStreams for the sources named in `urls`. None does anything before [`PriceStreams::run`].
    pub(crate) fn new(
        urls: BTreeMap<&'static str, Url>,
        connector: Arc<dyn Connector>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        Self { urls, connector, clock, metrics: StreamMetrics::register(metrics), all: Vec::new() }
    }

    /// The source with its feed before it, where it has one.
    pub(crate) fn before(&mut self, polled: Box<dyn Source>) -> Box<dyn Source> {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == polled.name());
        let Some((protocol, url)) = protocol.and_then(|protocol| Some((protocol, self.urls.get(protocol.name)?)))
        else {
            return polled;
        };
        let (connector, metrics) = (self.connector.clone(), self.metrics.clone());
        let gate = polled.rate_limiter().cloned();
        let feed = Arc::new(PriceStream::new(protocol, url, polled.pairs(), connector, self.clock, metrics, gate));
        self.all.push(feed.clone());
        Box::new(Hybrid::new(polled, feed))
    }

    /// Keeps every feed for which somebody asks, until `stop`.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        join_all(self.all.iter().map(|feed| feed.run(stop))).await;
    }
}
