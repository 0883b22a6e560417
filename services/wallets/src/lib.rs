//! The service `wallets`: customers create wallets, deposit, withdraw and transfer.

mod config;
mod decision;
mod dispatcher;
mod documentation;
mod error;
mod export;
mod metrics;
mod routes;
mod validation;
mod wallet_backend;
mod wallet_finder;
mod wallet_service;

use std::{net::SocketAddr, sync::Arc};

use common::{
    clients::{db_proxy::DbProxyClient, http_client, keys::KeyAuthenticator},
    config::{Caller, Env, Live, LiveSetting},
    metrics::Metrics,
    money::Currency,
    server::{
        AccessControl, ExportSlots, Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document,
        service_endpoint,
    },
    service::{ApplySettings, Service, TaskSupervisor},
    time::{Clock, DatabaseTime},
};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{
    dispatcher::MovementDispatcher, metrics::MovementMetrics, routes::Api, wallet_backend::WalletBackend,
    wallet_finder::WalletFinder, wallet_service::WalletService,
};

/// The service `wallets` on a bound listener.
pub struct App {
    server: Server,
    db_proxy: DbProxyClient,
    keys: Arc<KeyAuthenticator>,
    rate_limit: RateLimit,
    currencies: Live<Arc<[Currency]>>,
    /// Sends the requests of [`WalletFinder`].
    finder_task: BoxFuture<'static, ()>,
    /// Sends the requests of [`MovementDispatcher`].
    dispatcher_task: BoxFuture<'static, ()>,
}

impl Service for App {
    const NAME: &'static str = "wallets";
    const PORT: u16 = 8030;
    const CALLER: Caller = Caller::WALLETS;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] =
        &[LiveSetting::new("CURRENCIES"), LiveSetting::new("WALLETS_RATE_LIMIT_PER_MINUTE")];

    fn configure(env: &mut Env) -> Config {
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
            value_check: None,
        };
        let backend: Arc<dyn WalletBackend> = Arc::new(db_proxy.clone());
        let (finder, finder_task) = WalletFinder::new(backend.clone());
        let (dispatcher, dispatcher_task) = MovementDispatcher::new(
            backend.clone(),
            DatabaseTime::new(Clock::System),
            MovementMetrics::register(&metrics),
        );
        let wallets = WalletService { backend, finder, dispatcher, currencies: currencies.clone() };
        let export_slots = ExportSlots::new(config.max_exports);
        let api = Api { wallets, export_slots, trusted_proxies: config.trusted_proxies };
        let server = Server::new(listener, service_endpoint(api, ops)).with_metrics(&metrics);
        let (finder_task, dispatcher_task) = (Box::pin(finder_task), Box::pin(dispatcher_task));
        Ok(Self { server, db_proxy, keys, rate_limit, currencies, finder_task, dispatcher_task })
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
        // The server has the last clones of the finder and of the dispatcher, so these tasks complete after the last
        // response.
        tasks.spawn("wallet-finder", self.finder_task);
        tasks.spawn("movement-dispatcher", self.dispatcher_task);
        tasks.spawn("key-uses", self.keys.record_uses(stop.clone()));
        tasks.spawn("shared-rate-limits", self.rate_limit.keep_shared(stop.clone()));
        tasks.run(self.server.run_until(stop.clone()), &stop).await
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, &documentation::description())
    }
}

/// The service is ready if db-proxy is ready, because db-proxy stores the wallets.
fn readiness_check(db_proxy: &DbProxyClient) -> ReadinessCheck {
    let db_proxy = db_proxy.clone();
    Arc::new(move || {
        let db_proxy = db_proxy.clone();
        Box::pin(async move { vec![db_proxy.0.readiness_component().await] })
    })
}

#[cfg(test)]
mod tests;
