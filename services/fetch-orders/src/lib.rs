//! fetch-orders: shows orders, by page, by filter, one by one.

mod config;
mod error;
mod export;
mod joint;
mod order_lookup;
mod order_pages;
mod routes;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::health::Component,
    clients::{ServiceClient, db_proxy::DbProxyClient, http_client},
    metrics::Metrics,
    server::{OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::{
    config::Config,
    routes::{Links, Page},
};
use self::{order_lookup::OrderLookup, order_pages::OrderPages, routes::Api};

/// The running service.
pub struct App {
    server: Server,
    db_proxy: DbProxyClient,
    lookup: BoxFuture<'static, ()>,
}

impl Service for App {
    const NAME: &'static str = "fetch-orders";
    const PORT: u16 = 8020;
    type Config = Config;

    fn configure(env: &mut common::config::Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let db_proxy = DbProxyClient(ServiceClient::new(
            http_client(),
            DbProxyClient::SERVICE,
            config.db_proxy,
            config.internal_token,
        ));
        let standard = OpsEndpoints {
            service: Self::NAME,
            about: ABOUT,
            metrics: Metrics::new(Self::NAME),
            ready: ready(&db_proxy),
            internal_token: None,
            rate_limit: RateLimit::default(),
        };
        let (lookup, task) = OrderLookup::new(db_proxy.clone());
        let endpoint = service_endpoint(
            Api { db_proxy: db_proxy.clone(), lookup, pages: OrderPages::new(db_proxy.clone()) },
            standard,
        );
        Ok(Self { server: Server::new(listener, endpoint), db_proxy, lookup: Box::pin(task) })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        ready(&self.db_proxy)
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let lookup = tokio::spawn(self.lookup);
        // When the server has ended, the last handle is gone, and the task ends after what is under way.
        let result = self.server.run_until(stop).await;
        lookup.await?;
        result
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, ABOUT)
    }
}

const ABOUT: &str = "Shows orders. An order is seen as soon as it was answered with 201, and never changes.";

fn ready(db_proxy: &DbProxyClient) -> ReadinessCheck {
    let db_proxy = db_proxy.clone();
    Arc::new(move || {
        let db_proxy = db_proxy.clone();
        Box::pin(async move {
            vec![match db_proxy.order_summary().await {
                Ok(_) => Component::ready("db-proxy"),
                Err(error) => Component::missing("db-proxy", error.to_string()),
            }]
        })
    })
}
