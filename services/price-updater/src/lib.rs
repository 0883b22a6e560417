//! Polls exchanges, indices and banks, agrees on the price of bitcoin, and publishes it to price-cache-proxy.
//!
//! In each poll interval, [`polling`] polls every active [source](sources::Source) that is due, and [`pricing`]
//! computes one price for each pair from the votes of the sources. In each publish interval, [`publishing`] writes the
//! price record that orders use, prolongs it, or lets it expire. [`updater`] runs these steps while this instance is
//! the leader ([`leadership`]). The results go to [`upstreams`].

mod config;
mod documentation;
mod leadership;
mod metrics;
mod polling;
mod pricing;
mod publishing;
mod routes;
mod sources;
mod streams;
#[cfg(any(test, feature = "fuzzing"))]
mod tests;
mod updater;
mod upstreams;

use std::{net::SocketAddr, sync::Arc};

use common::{
    config::{Caller, Env, LiveSetting},
    metrics::Metrics,
    server::{Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::{ApplySettings, Service},
};
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use polling::{CHECK_SIMULATION, CHECK_SOURCES, CONNECT_OR_SIMULATE, suggests_no_connection};
use routes::Routes;
pub use sources::{InProcess, RawResponse, Transport, TransportError, url_variables};
pub use streams::{
    Connection, ConnectionError, Connector, IncomingMessage, OutgoingMessage, PriceStream, PriceStreamState,
    WebSocketConnector, websocket_variables,
};
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use tests::fuzzing;
pub use updater::Updater;
pub use upstreams::{RecordWrite, Upstreams};

/// The service, bound to its listener.
pub struct App {
    server: Server,
    ready: ReadinessCheck,
    updater: Arc<Updater>,
}

impl Service for App {
    const NAME: &'static str = "price-updater";
    const PORT: u16 = 8003;
    const CALLER: Caller = Caller::PRICE_UPDATER;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] = config::LIVE_SETTINGS;

    fn configure(env: &mut Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        config.warn_of_unpriced_currencies();
        let metrics = Metrics::new(Self::NAME);
        let accepted_callers = Some(config.accepted_callers.clone());
        let upstreams = Arc::new(upstreams::HttpUpstreams::new(&config));
        let updater = Arc::new(Updater::new(config, upstreams, &metrics));
        let ready: ReadinessCheck = {
            let updater = updater.clone();
            Arc::new(move || {
                let components = updater.components();
                Box::pin(async move { components })
            })
        };
        let ops = OpsEndpoints {
            service: Self::NAME,
            description: documentation::description(),
            metrics: metrics.clone(),
            ready: ready.clone(),
            accepted_callers,
            access: None,
            rate_limit: RateLimit::default(),
            value_check: None,
        };
        let server = Server::new(listener, service_endpoint(Routes::new(updater.clone()), ops)).with_metrics(&metrics);
        Ok(Self { server, ready, updater })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        self.ready.clone()
    }

    fn live_settings(&self) -> ApplySettings<Config> {
        let updater = self.updater.clone();
        Arc::new(move |config| updater.apply(&config))
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let stop = stop.child_token();
        let serve = async {
            let result = self.server.run_until(stop.clone()).await;
            // The updater stops with the server, even if the server failed: without the server, the updater cannot be
            // monitored.
            stop.cancel();
            result
        };
        tokio::join!(serve, self.updater.run(&stop)).0
    }

    fn openapi() -> String {
        openapi_document::<Routes>(Self::NAME, &documentation::description())
    }
}
