//! The only owner of Redis: keeps the current price record and the board until they run out, and who holds which lease.

mod config;
mod documents;
mod error;
mod events;
mod leases;
mod routes;
pub mod store;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::health::Component,
    config::Env,
    metrics::Metrics,
    server::{OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::{Config, StoreConfig};
use documents::DocumentService;
use events::Events;
use leases::LeaseService;
use routes::Routes;
use store::Store;

const ABOUT: &str = "Keeps the current price record and the board until they run out, and who holds which lease.";

/// price-cache-proxy on a listener.
pub struct App {
    server: Server,
    ready: ReadinessCheck,
    store: Store,
    /// Ends the streams of events.
    closing: CancellationToken,
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
        let closing = CancellationToken::new();
        let routes = Routes {
            documents: DocumentService::new(store.clone(), &metrics),
            events: Events::new(store.cache().clone(), closing.clone()),
            leases: LeaseService(store.clone()),
        };
        let standard = OpsEndpoints {
            service: Self::NAME,
            about: ABOUT,
            metrics,
            ready: ready.clone(),
            internal_token: Some(config.internal_token),
            rate_limit: RateLimit::default(),
        };
        Ok(Self { server: Server::new(listener, service_endpoint(routes, standard)), ready, store, closing })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        self.ready.clone()
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        // Cancelled with `stop`, and also where the server ends by itself.
        let ending = stop.child_token();
        let serve = async {
            let result = self.server.run_until(stop).await;
            ending.cancel();
            result
        };
        let close = async {
            ending.cancelled().await;
            self.closing.cancel();
        };
        let (result, (), ()) = tokio::join!(serve, close, self.store.follow(ending.clone()));
        result
    }

    fn openapi() -> String {
        openapi_document::<Routes>(Self::NAME, ABOUT)
    }
}

fn readiness(store: Store) -> ReadinessCheck {
    Arc::new(move || {
        let store = store.clone();
        Box::pin(async move {
            vec![match store.ping().await {
                Ok(()) => Component::ready("cache"),
                Err(error) => Component::missing("cache", error.to_string()),
            }]
        })
    })
}
