//! fetch-orders: lists, filters and exports orders, and returns single orders.

mod config;
mod documentation;
mod error;
mod export;
mod order_lookup;
mod order_pages;
mod owner;
mod routes;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::{FieldError, filters::check_currency, health::Component},
    clients::{
        db_proxy::{DbProxyClient, OrderReader},
        http_client,
        keys::KeyAuthenticator,
    },
    config::{Caller, Live, LiveSetting},
    metrics::Metrics,
    money::Currency,
    server::{
        AccessControl, CheckedValue, ExportSlots, Listener, OpsEndpoints, ParameterValue, RateLimit, ReadinessCheck,
        Server, ValueCheck, openapi_document, service_endpoint,
    },
    service::{ApplySettings, Service, TaskSupervisor},
};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{order_lookup::OrderLookup, order_pages::OrderPages, routes::Api};

/// The fetch-orders service on a bound listener.
pub struct App {
    server: Server,
    db_proxy: DbProxyClient,
    keys: Arc<KeyAuthenticator>,
    rate_limit: RateLimit,
    currencies: Live<Arc<[Currency]>>,
    /// Sends the requests of [`OrderLookup`].
    lookup_task: BoxFuture<'static, ()>,
}

impl Service for App {
    const NAME: &'static str = "fetch-orders";
    const PORT: u16 = 8020;
    const CALLER: Caller = Caller::FETCH_ORDERS;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] =
        &[LiveSetting::new("CURRENCIES"), LiveSetting::new("FETCH_RATE_LIMIT_PER_MINUTE")];

    fn configure(env: &mut common::config::Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let db_proxy = DbProxyClient::new(http_client(), config.db_proxy, config.db_proxy_token);
        let currencies: Live<Arc<[Currency]>> = config.currencies.into();
        let metrics = Metrics::new(Self::NAME);
        let keys = Arc::new(KeyAuthenticator::new(Arc::new(db_proxy.clone()), &metrics));
        let rate_limit = config.rate_limit.of_service(Self::NAME, &metrics)?;
        let ops = OpsEndpoints {
            service: Self::NAME,
            description: documentation::description(),
            metrics: metrics.clone(),
            ready: readiness_check(&db_proxy),
            accepted_callers: None,
            access: Some(AccessControl { config: config.access, keys: keys.clone() }),
            rate_limit: rate_limit.clone(),
            value_check: Some(Arc::new(KnownCurrencies(currencies.clone()))),
        };
        let reader = OrderReader::new(db_proxy.clone());
        let (lookup, lookup_task) = OrderLookup::new(reader.clone());
        let api = Api {
            reader: reader.clone(),
            lookup,
            pages: OrderPages::new(reader),
            export_slots: ExportSlots::new(config.max_exports),
            currencies: currencies.clone(),
            trusted_proxies: config.trusted_proxies,
        };
        let server = Server::new(listener, service_endpoint(api, ops)).with_metrics(&metrics);
        Ok(Self { server, db_proxy, keys, rate_limit, currencies, lookup_task: Box::pin(lookup_task) })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        readiness_check(&self.db_proxy)
    }

    fn live_settings(&self) -> ApplySettings<Config> {
        let (currencies, rate_limit) = (self.currencies.clone(), self.rate_limit.clone());
        Arc::new(move |config| {
            currencies.set(config.currencies.into());
            rate_limit.apply(&config.rate_limit);
        })
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = TaskSupervisor::default();
        // Only the server owns handles of the lookup, so this task ends after the server has ended.
        tasks.spawn("order-lookup", self.lookup_task);
        tasks.spawn("key-uses", self.keys.record_uses(stop.clone()));
        tasks.spawn("shared-rate-limits", self.rate_limit.keep_shared(stop.clone()));
        tasks.run(self.server.run_until(stop.clone()), &stop).await
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, &documentation::description())
    }
}

/// The currencies that the filter of orders accepts.
struct KnownCurrencies(Live<Arc<[Currency]>>);

impl ValueCheck for KnownCurrencies {
    fn check<'a>(&'a self, parameter: ParameterValue<'a>) -> CheckedValue<'a> {
        Box::pin(async move { self.check_malformed(parameter) })
    }

    fn check_malformed(&self, parameter: ParameterValue<'_>) -> Option<FieldError> {
        let ParameterValue { name, value, .. } = parameter;
        if name == "currency" { check_currency(value, &self.0.get()) } else { None }
    }
}

fn readiness_check(db_proxy: &DbProxyClient) -> ReadinessCheck {
    let db_proxy = db_proxy.clone();
    Arc::new(move || {
        let db_proxy = db_proxy.clone();
        Box::pin(async move { vec![Component::of_check(DbProxyClient::SERVICE, db_proxy.order_summary().await)] })
    })
}
