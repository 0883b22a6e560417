//! The only owner of Redis: keeps the current price record and the board until they run out, and who holds which lease.

mod config;
mod documents;
mod error;
mod leases;
mod routes;
mod shelf;
pub mod store;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::health::Part,
    config::Env,
    http::{RateLimit, ReadinessCheck, Server, Standard, document, endpoint},
    metrics::Metrics,
    service::Service,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::{Config, StoreConfig};
use documents::Documents;
use leases::Leases;
use routes::Routes;
use store::Store;

const ABOUT: &str = "Keeps the current price record and the board until they run out, and who holds which lease.";

/// price-cache-proxy on a listener.
pub struct App {
    server: Server,
    ready: ReadinessCheck,
}

impl Service for App {
    const NAME: &'static str = "price-cache-proxy";
    const PORT: u16 = 8002;
    type Config = Config;

    fn configure(env: &mut Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let store = Store::open(&config.store)?;
        let ready = readiness(store.clone());
        let metrics = Metrics::new(Self::NAME);
        let routes = Routes { documents: Documents::new(store.clone(), &metrics), leases: Leases(store) };
        let standard = Standard {
            service: Self::NAME,
            about: ABOUT,
            metrics,
            ready: ready.clone(),
            internal_token: Some(config.internal_token),
            rate_limit: RateLimit::default(),
        };
        Ok(Self { server: Server::new(listener, endpoint(routes, standard)), ready })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        self.ready.clone()
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.server.run_until(stop).await
    }

    fn openapi() -> String {
        document::<Routes>(Self::NAME, ABOUT)
    }
}

fn readiness(store: Store) -> ReadinessCheck {
    Arc::new(move || {
        let store = store.clone();
        Box::pin(async move {
            vec![match store.ping().await {
                Ok(()) => Part::ready("cache"),
                Err(error) => Part::missing("cache", error.to_string()),
            }]
        })
    })
}
