//! price-cache-proxy: keeps the current price record and market snapshot until they expire, and grants leases. No other
//! service accesses the keys of price-cache-proxy in Redis.

mod config;
mod documentation;
mod documents;
mod error;
mod events;
mod leases;
mod limits;
mod routes;
pub mod store;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use common::{
    config::{Caller, Env},
    metrics::Metrics,
    server::{Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
};
use tokio_util::sync::CancellationToken;

pub use config::{Config, StoreConfig};
use documents::DocumentService;
use events::Events;
use leases::LeaseService;
use routes::Routes;
use store::Store;

/// The service, bound to its listener.
pub struct App {
    server: Server,
    ready: ReadinessCheck,
    store: Store,
    /// Closes the event streams when it is cancelled.
    close_streams: CancellationToken,
}

impl Service for App {
    const NAME: &'static str = "price-cache-proxy";
    const PORT: u16 = 8002;
    const CALLER: Caller = Caller::PRICE_CACHE_PROXY;
    type Config = Config;

    fn configure(env: &mut Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let Config { accepted_callers, store, clock } = config;
        let store = Store::open(&store, clock)?;
        let ready = readiness(store.clone());
        let metrics = Metrics::new(Self::NAME);
        let close_streams = CancellationToken::new();
        let routes = Routes {
            documents: DocumentService::new(store.clone(), &metrics),
            events: Events::new(store.cache().clone(), clock, close_streams.clone()),
            leases: LeaseService { store: store.clone(), clock },
            clock,
        };
        let ops = OpsEndpoints {
            service: Self::NAME,
            description: documentation::description(),
            metrics: metrics.clone(),
            ready: ready.clone(),
            accepted_callers: Some(accepted_callers),
            access: None,
            rate_limit: RateLimit::default(),
            value_check: None,
        };
        Ok(Self {
            server: Server::new(listener, service_endpoint(routes, ops)).with_metrics(&metrics),
            ready,
            store,
            close_streams,
        })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        self.ready.clone()
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        // Cancelled with `stop`, and also if the server fails.
        let ending = stop.child_token();
        let serve = async {
            let result = self.server.run_until(stop).await;
            ending.cancel();
            result
        };
        let close = async {
            ending.cancelled().await;
            self.close_streams.cancel();
        };
        let (result, (), ()) = tokio::join!(serve, close, self.store.subscribe_to_changes(ending.clone()));
        result
    }

    fn openapi() -> String {
        openapi_document::<Routes>(Self::NAME, &documentation::description())
    }
}

fn readiness(store: Store) -> ReadinessCheck {
    Arc::new(move || {
        let store = store.clone();
        Box::pin(async move { vec![store.component().await] })
    })
}
