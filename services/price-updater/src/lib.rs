//! Asks several exchanges for the price of bitcoin, again and again, and writes the price they agree on to the cache.
//!
//! One slot: [`polling`] asks every [`sources::Source`] whose turn it is, and [`pricing`] makes one price of what they said
//! in each direction. Every third slot is a round: [`publishing`] decides what the prices mean for the record that orders
//! use. [`updater`] drives it while it holds the lease ([`leadership`]), and [`upstreams`] is where it goes.

mod config;
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
    config::Env,
    metrics::Metrics,
    server::{OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use polling::ActiveSourcesRoutes;
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
pub use upstreams::Upstreams;

const ABOUT: &str = "Asks several exchanges for the price of bitcoin and writes the price they agree on to the cache.";

/// price-updater on a listener.
pub struct App {
    server: Server,
    ready: ReadinessCheck,
    updater: Arc<Updater>,
}

impl Service for App {
    const NAME: &'static str = "price-updater";
    const PORT: u16 = 8003;
    type Config = Config;

    fn configure(env: &mut Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let metrics = Metrics::new(Self::NAME);
        let internal_token = Some(config.internal_token.clone());
        let upstreams = Arc::new(upstreams::HttpUpstreams::new(&config));
        let updater = Arc::new(Updater::new(config, upstreams, &metrics));
        let ready: ReadinessCheck = {
            let updater = updater.clone();
            Arc::new(move || {
                let parts = updater.parts();
                Box::pin(async move { parts })
            })
        };
        let standard = OpsEndpoints {
            service: Self::NAME,
            about: ABOUT,
            metrics,
            ready: ready.clone(),
            internal_token,
            rate_limit: RateLimit::default(),
        };
        let server = Server::new(
            listener,
            service_endpoint((Routes::new(updater.clone()), ActiveSourcesRoutes(updater.active_sources())), standard),
        );
        Ok(Self { server, ready, updater })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        self.ready.clone()
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let stop = stop.child_token();
        let serve = async {
            let result = self.server.run_until(stop.clone()).await;
            // Also where the server failed: rounds that nobody can look into are not to go on.
            stop.cancel();
            result
        };
        tokio::join!(serve, self.updater.run(&stop)).0
    }

    fn openapi() -> String {
        openapi_document::<(Routes, ActiveSourcesRoutes)>(Self::NAME, ABOUT)
    }
}
