//! create-order: validates an order, converts its amount at the current price, and sends the order to db-proxy.

mod amount_bounds;
mod config;
mod dispatcher;
mod documentation;
mod error;
mod forwarded_reads;
mod order_backend;
mod order_log;
mod order_service;
mod price_metrics;
mod price_reader;
mod readiness;
mod routes;

use std::{net::SocketAddr, sync::Arc};

use common::{
    clients::{
        ForwardingClient, db_proxy::DbProxyClient, http_client, keys::KeyAuthenticator, price_cache::PriceCacheClient,
    },
    config::{Caller, Live, LiveSetting},
    metrics::Metrics,
    money::Currency,
    server::{
        AccessControl, Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document,
        service_endpoint_with_forwarding,
    },
    service::{ApplySettings, Service, TaskSupervisor},
    time::{Clock, DatabaseTime},
};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use self::{
    amount_bounds::AmountBounds,
    dispatcher::OrderDispatcher,
    forwarded_reads::{ForwardedOrders, ForwardedPrices, Forwarder},
    order_service::OrderService,
    routes::Api,
};
pub use self::{
    config::Config,
    price_reader::{OrderablePrice, PriceError, PriceReader},
};

/// The create-order service on a bound listener.
pub struct App {
    server: Server,
    keys: Arc<KeyAuthenticator>,
    live: LiveValues,
    ready: ReadinessCheck,
    /// Sends the queued orders to db-proxy.
    dispatcher_task: BoxFuture<'static, ()>,
    /// Ends the forwarded event streams.
    close_streams: CancellationToken,
}

/// The values of the settings that can change while the service runs.
#[derive(Clone)]
struct LiveValues {
    currencies: Live<Arc<[Currency]>>,
    amount_bounds: Live<Arc<AmountBounds>>,
    hold_secs: Live<u32>,
    rate_limit: RateLimit,
    prices: PriceReader,
}

impl LiveValues {
    fn apply(&self, config: Config) {
        self.currencies.set(config.currencies.into());
        self.amount_bounds.set(Arc::new(config.amount_bounds));
        self.hold_secs.set(config.hold_secs);
        self.rate_limit.apply(&config.rate_limit);
        self.prices.set_max_age(config.price_max_age);
    }
}

impl Service for App {
    const NAME: &'static str = "create-order";
    const PORT: u16 = 8001;
    const CALLER: Caller = Caller::CREATE_ORDER;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] = &[
        LiveSetting::new("CURRENCIES"),
        LiveSetting::new("ORDER_MAX_AMOUNT"),
        LiveSetting::new("ORDER_MIN_AMOUNT"),
        LiveSetting::new("PRICE_MAX_AGE_SECS"),
        LiveSetting::new("QUOTE_HOLD_SECS"),
        LiveSetting::new("QUOTE_READ_RATE_LIMIT_PER_MINUTE"),
        LiveSetting::new("RATE_LIMIT_PER_MINUTE"),
    ];

    fn configure(env: &mut common::config::Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let Config {
            currencies,
            amount_bounds,
            access,
            rate_limit,
            trusted_proxies,
            db_proxy,
            price_cache,
            orders_url,
            fetch_orders,
            rates,
            db_proxy_token,
            price_cache_token,
            hold_secs,
            price_max_age,
            publish_interval,
        } = config;
        let currencies: Live<Arc<[Currency]>> = currencies.into();
        let (amount_bounds, hold_secs) = (Live::new(Arc::new(amount_bounds)), Live::new(hold_secs));
        let http = http_client();
        let db_proxy = DbProxyClient::new(http.clone(), db_proxy, db_proxy_token);
        let cache = PriceCacheClient::new(http.clone(), price_cache, price_cache_token);
        let prices = PriceReader::new(cache.clone(), price_max_age);
        let ready = readiness::check(currencies.clone(), &prices, &cache, &db_proxy);
        let (dispatcher, dispatcher_task) =
            OrderDispatcher::new(Arc::new(db_proxy.clone()), DatabaseTime::new(Clock::System));
        let metrics = Metrics::new(Self::NAME);
        price_metrics::register(&metrics, currencies.clone(), prices.clone());
        let keys = Arc::new(KeyAuthenticator::new(Arc::new(db_proxy.clone()), &metrics));
        let rate_limit = rate_limit.of_service(Self::NAME, &metrics)?;
        let ops = OpsEndpoints {
            service: Self::NAME,
            description: documentation::description(),
            metrics: metrics.clone(),
            ready: ready.clone(),
            accepted_callers: None,
            access: Some(AccessControl { config: access, keys: keys.clone() }),
            rate_limit: rate_limit.clone(),
            value_check: None,
        };
        let live = LiveValues {
            currencies: currencies.clone(),
            amount_bounds: amount_bounds.clone(),
            hold_secs: hold_secs.clone(),
            rate_limit,
            prices: prices.clone(),
        };
        let order_service =
            OrderService { currencies, amount_bounds, prices, dispatcher, backend: Arc::new(db_proxy), hold_secs };
        let close_streams = CancellationToken::new();
        let forwarder = |client| Forwarder::new(client, close_streams.clone());
        // Reads of prices need no credentials, so `rates` receives none.
        let fetch_orders = ForwardingClient::new(http.clone(), "fetch-orders", fetch_orders).with_credentials();
        let rates = ForwardingClient::new(http, "rates", rates);
        let api = Api { order_service, orders_url, trusted_proxies, publish_interval };
        let forwarding = (ForwardedOrders(forwarder(fetch_orders)), ForwardedPrices(forwarder(rates)));
        let endpoint = service_endpoint_with_forwarding(api, forwarding, ops);
        let server = Server::new(listener, endpoint).with_metrics(&metrics);
        let dispatcher_task = Box::pin(dispatcher_task);
        Ok(Self { server, keys, live, ready, dispatcher_task, close_streams })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        self.ready.clone()
    }

    fn live_settings(&self) -> ApplySettings<Config> {
        let live = self.live.clone();
        Arc::new(move |config| live.apply(config))
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = TaskSupervisor::default();
        tasks.spawn("price-reader", self.live.prices.receive_records(stop.clone()));
        tasks.spawn("key-uses", self.keys.record_uses(stop.clone()));
        tasks.spawn("shared-rate-limits", self.live.rate_limit.keep_shared(stop.clone()));
        // The server has the last handle of the dispatcher, so this task completes after the last response.
        tasks.spawn("order-dispatcher", self.dispatcher_task);
        let (streams_stop, close_streams) = (stop.clone(), self.close_streams);
        tasks.spawn("forwarded-streams", async move {
            streams_stop.cancelled().await;
            close_streams.cancel();
        });
        tasks.run(self.server.run_until(stop.clone()), &stop).await
    }

    fn openapi() -> String {
        openapi_document::<(Api, (ForwardedOrders, ForwardedPrices))>(Self::NAME, &documentation::description())
    }
}

#[cfg(test)]
mod tests;
