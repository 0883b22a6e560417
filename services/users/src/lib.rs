//! The service `users`: the customer directory and its API keys.

mod config;
mod directory;
mod documentation;
mod error;
mod routes;
mod user_finder;
mod user_pages;
mod user_service;
mod validation;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::{health::Component, users::UserQuery},
    clients::{db_proxy::DbProxyClient, http_client, keys::KeyAuthenticator},
    config::{Caller, Env, LiveSetting},
    metrics::Metrics,
    server::{
        AccessControl, Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint,
    },
    service::{ApplySettings, Service, TaskSupervisor},
    time::Clock,
};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{directory::Directory, routes::Api, user_finder::UserFinder, user_service::UserService};

/// The service `users` on a bound listener.
pub struct App {
    server: Server,
    db_proxy: DbProxyClient,
    keys: Arc<KeyAuthenticator>,
    rate_limit: RateLimit,
    /// Sends the requests of [`UserFinder`].
    finder_task: BoxFuture<'static, ()>,
}

impl Service for App {
    const NAME: &'static str = "users";
    const PORT: u16 = 8060;
    const CALLER: Caller = Caller::USERS;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] = &[LiveSetting::new("USERS_RATE_LIMIT_PER_MINUTE")];

    fn configure(env: &mut Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let db_proxy = DbProxyClient::new(http_client(), config.db_proxy, config.db_proxy_token);
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
        let directory: Arc<dyn Directory> = Arc::new(db_proxy.clone());
        let (finder, finder_task) = UserFinder::new(directory.clone());
        let api = Api { users: UserService { directory, finder }, clock: Clock::System };
        let server = Server::new(listener, service_endpoint(api, ops)).with_metrics(&metrics);
        Ok(Self { server, db_proxy, keys, rate_limit, finder_task: Box::pin(finder_task) })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        readiness_check(&self.db_proxy)
    }

    fn live_settings(&self) -> ApplySettings<Config> {
        let rate_limit = self.rate_limit.clone();
        Arc::new(move |config| rate_limit.apply(&config.rate_limit))
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut tasks = TaskSupervisor::default();
        // The server has the last clone of the finder, so this task completes after the last response of the server.
        tasks.spawn("user-finder", self.finder_task);
        tasks.spawn("key-uses", self.keys.record_uses(stop.clone()));
        tasks.spawn("shared-rate-limits", self.rate_limit.keep_shared(stop.clone()));
        tasks.run(self.server.run_until(stop.clone()), &stop).await
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, &documentation::description())
    }
}

/// Reads the newest user from db-proxy, so the check includes the database.
fn readiness_check(db_proxy: &DbProxyClient) -> ReadinessCheck {
    let db_proxy = db_proxy.clone();
    Arc::new(move || {
        let db_proxy = db_proxy.clone();
        Box::pin(async move {
            let newest = db_proxy.list_users(&UserQuery::default(), None, 1).await;
            vec![Component::of_check(DbProxyClient::SERVICE, newest)]
        })
    })
}

#[cfg(test)]
mod tests;
