//! create-order: validates an order, takes the current price, converts, and hands it to db-proxy.

mod config;
mod dispatcher;
mod error;
mod order_service;
mod price_reader;
mod routes;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::health::Component,
    clients::{ServiceClient, db_proxy::DbProxyClient, http_client, price_cache::PriceCacheClient},
    metrics::Metrics,
    server::{OpsEndpoints, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use self::{
    config::Config,
    price_reader::{PriceError, PriceReader},
};
use self::{dispatcher::OrderDispatcher, order_service::OrderService, routes::Api};

/// The running service.
pub struct App {
    server: Server,
    prices: PriceReader,
    db_proxy: DbProxyClient,
    forward: JoinHandle<()>,
}

impl Service for App {
    const NAME: &'static str = "create-order";
    const PORT: u16 = 8001;
    type Config = Config;

    fn configure(env: &mut common::config::Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let http = http_client();
        let Config {
            currencies,
            rate_limit,
            db_proxy,
            price_cache,
            orders_url,
            internal_token,
            hold_secs,
            price_max_age,
        } = config;
        let db_proxy =
            DbProxyClient(ServiceClient::new(http.clone(), DbProxyClient::SERVICE, db_proxy, internal_token.clone()));
        let cache = PriceCacheClient(ServiceClient::new(http, PriceCacheClient::SERVICE, price_cache, internal_token));
        let prices = PriceReader::new(cache, price_max_age);
        let (forward, task) = OrderDispatcher::new(db_proxy.clone());
        let standard = OpsEndpoints {
            service: Self::NAME,
            about: ABOUT,
            metrics: Metrics::new(Self::NAME),
            ready: ready(&prices, &db_proxy),
            internal_token: None,
            rate_limit,
        };
        let order_service =
            OrderService { currencies, prices: prices.clone(), forward, db_proxy: db_proxy.clone(), hold_secs };
        let endpoint = service_endpoint(Api { order_service, orders_url }, standard);
        Ok(Self { server: Server::new(listener, endpoint), prices, db_proxy, forward: tokio::spawn(task) })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        ready(&self.prices, &self.db_proxy)
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let prices = tokio::spawn(self.prices.keep_fresh(stop.clone()));
        // When the server has ended, the last handle of the forwarder is gone, and it ends after what is under way.
        let result = self.server.run_until(stop).await;
        self.forward.await?;
        prices.await?;
        result
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, ABOUT)
    }
}

const ABOUT: &str = "Places orders to buy bitcoin at the current price. An order is answered with 201 only once it is durable. \
    Requests from one address are limited; RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset tell where you stand.";

fn ready(prices: &PriceReader, db_proxy: &DbProxyClient) -> ReadinessCheck {
    let (prices, db_proxy) = (prices.clone(), db_proxy.clone());
    Arc::new(move || {
        let (prices, db_proxy) = (prices.clone(), db_proxy.clone());
        Box::pin(async move {
            let (price, database) = tokio::join!(prices.current(), db_proxy.order_summary());
            vec![
                match price {
                    Ok(_) => Component::ready("price"),
                    Err(error) => Component::missing("price", error.to_string()),
                },
                match database {
                    Ok(_) => Component::ready("db-proxy"),
                    Err(error) => Component::missing("db-proxy", error.to_string()),
                },
            ]
        })
    })
}
