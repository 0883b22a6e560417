//! rates: the current and past courses of every exchange, the agreed prices and how they came about, for traders and shops.

mod chart;
mod config;
mod conversion;
mod current_price;
mod error;
mod history;
mod limits;
mod routes;
mod snapshot;
mod stream;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::{events::Topic, health::Component},
    clients::{
        ServiceClient,
        db_proxy::DbProxyClient,
        http_client,
        price_cache::{PriceCacheClient, PriceCacheWatch},
    },
    config::Env,
    metrics::Metrics,
    server::{OpsEndpoints, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
    time::Clock,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{chart::ChartRenderer, routes::Api, snapshot::SnapshotStore, stream::CourseStreams};

const ABOUT: &str = "The current and past courses of every exchange, the agreed prices and how they came about. What is \
    simulated is marked as such. Nothing here has to be paid for or signed in to.";

/// The running service.
pub struct App {
    server: Server,
    watch: PriceCacheWatch,
    db_proxy: DbProxyClient,
    store: Arc<SnapshotStore>,
    streams: CourseStreams,
}

impl Service for App {
    const NAME: &'static str = "rates";
    const PORT: u16 = 8040;
    type Config = Config;

    fn configure(env: &mut Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let Config { price_cache, db_proxy, internal_token, rate_limit, ttl, refresh_interval } = config;
        let http = http_client();
        let cache = PriceCacheClient(ServiceClient::new(
            http.clone(),
            PriceCacheClient::SERVICE,
            price_cache,
            internal_token.clone(),
        ));
        let watch = cache.watch(&[Topic::MarketSnapshot]);
        let db_proxy = DbProxyClient(ServiceClient::new(http, DbProxyClient::SERVICE, db_proxy, internal_token));
        let metrics = Metrics::new(Self::NAME);
        let store = Arc::new(SnapshotStore::new(Clock::System, &metrics));
        let streams = CourseStreams::new(&metrics);
        let standard = OpsEndpoints {
            service: Self::NAME,
            about: ABOUT,
            metrics,
            ready: ready(&store, &db_proxy),
            internal_token: None,
            rate_limit,
        };
        let charts = ChartRenderer::new(db_proxy.clone(), refresh_interval, ttl);
        let api = Api {
            store: store.clone(),
            streams: streams.clone(),
            db_proxy: db_proxy.clone(),
            charts,
            ttl,
            refresh_interval,
        };
        Ok(Self { server: Server::new(listener, service_endpoint(api, standard)), watch, db_proxy, store, streams })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        ready(&self.store, &self.db_proxy)
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { server, watch, db_proxy, store, streams } = self;
        let until = stop.clone();
        let feed = tokio::spawn(async move {
            snapshot::follow(watch, || snapshot::load_stored_snapshot(&db_proxy), &store, until).await;
        });
        let ending = stop.clone();
        let end = tokio::spawn(async move {
            ending.cancelled().await;
            streams.end();
        });
        let result = server.run_until(stop.clone()).await;
        stop.cancel();
        feed.await?;
        end.await?;
        result
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, ABOUT)
    }
}

fn ready(store: &Arc<SnapshotStore>, db_proxy: &DbProxyClient) -> ReadinessCheck {
    let (store, db_proxy) = (store.clone(), db_proxy.clone());
    Arc::new(move || {
        let (store, db_proxy) = (store.clone(), db_proxy.clone());
        Box::pin(async move {
            let courses = match store.newest() {
                Ok(_) => Component::ready("courses"),
                Err(error) => Component::missing("courses", error.to_string()),
            };
            let history = match db_proxy.order_summary().await {
                Ok(_) => Component::ready("db-proxy"),
                Err(error) => Component::missing("db-proxy", error.to_string()),
            };
            vec![courses, history]
        })
    })
}
