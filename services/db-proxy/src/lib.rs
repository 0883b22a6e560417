//! db-proxy: the only owner of the database. Orders, the limit of all orders, idempotency keys, courses and their history.

mod config;
pub mod courses;
mod error;
mod forget;
pub mod ledger;
pub mod metrics;
pub mod order_id;
mod routes;
pub mod store;
pub mod writer;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use common::{
    api::health::Component,
    metrics::Metrics,
    server::{OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
    time::Clock,
};
use futures_util::future::BoxFuture;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{
    courses::{Courses, CoursesApi, retention, retention::Retention},
    metrics::WriterMetrics,
    routes::Api,
    store::{Store, StoreError},
    writer::Writer,
};

/// How long `/readyz` waits for the database.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the start waits for tables to be brought up to date; after that it goes on beside the work.
const MIGRATE_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between tries to reach a database that was away at the start.
const MIGRATE_PAUSE: Duration = Duration::from_millis(500);

/// The running service.
pub struct App {
    server: Server,
    store: Store,
    /// Whether the tables are up to date.
    migrated: bool,
    writer: BoxFuture<'static, ()>,
    keep_keys: Duration,
    keep_courses: Retention,
}

impl Service for App {
    const NAME: &'static str = "db-proxy";
    const PORT: u16 = 8010;
    type Config = Config;

    fn configure(env: &mut common::config::Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let store = Store::open(config.database_url.expose()).await?;
        // A database that is away may come; tables that cannot be brought up to date would stay as they are.
        let migrated =
            match tokio::time::timeout(MIGRATE_PATIENCE, store.migrate()).await.unwrap_or(Err(StoreError::TimedOut)) {
                Ok(()) => true,
                Err(StoreError::Unavailable(_) | StoreError::TimedOut) => false,
                Err(error) => anyhow::bail!(error.chain()),
            };
        let metrics = Metrics::new(Self::NAME);
        let (_, limit) = watch::channel(config.limit);
        let (writer, task) = Writer::new(store.clone(), limit.clone(), WriterMetrics::register(&metrics));
        let standard = OpsEndpoints {
            service: Self::NAME,
            about: ABOUT,
            metrics,
            ready: ready(&store),
            internal_token: Some(config.internal_token),
            rate_limit: RateLimit::default(),
        };
        let courses = CoursesApi(Courses::new(store.clone(), Clock::System));
        let endpoint = service_endpoint((Api { store: store.clone(), writer, limit }, courses), standard);
        Ok(Self {
            server: Server::new(listener, endpoint),
            store,
            migrated,
            writer: Box::pin(task),
            keep_keys: config.keep_keys,
            keep_courses: config.keep_courses,
        })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        ready(&self.store)
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { server, store, migrated, writer, keep_keys, keep_courses } = self;
        let (tables, stopping) = (store.clone(), stop.clone());
        let tables = tokio::spawn(async move {
            if !migrated {
                tokio::select! { () = migrate(&tables) => {}, () = stopping.cancelled() => {} }
            }
        });
        // Without waiting for the tables: orders are told that the database is away, as at any other time.
        let writer = tokio::spawn(writer);
        let forgetting = tokio::spawn(forget::run(store.clone(), keep_keys, stop.clone()));
        let retention = tokio::spawn(retention::run(store.clone(), Clock::System, keep_courses, stop.clone()));
        // When the server has ended, the last handle of the writer is gone, and it ends after what still waits.
        let result = server.run_until(stop).await;
        writer.await?;
        tables.await?;
        forgetting.await?;
        retention.await?;
        store.close().await;
        result
    }

    fn openapi() -> String {
        openapi_document::<(Api, CoursesApi)>(Self::NAME, ABOUT)
    }
}

const ABOUT: &str =
    "The only owner of the database: orders, their limit, idempotency keys, courses. For other services only.";

/// Brings the tables up to date, as soon as the database can be reached.
async fn migrate(store: &Store) {
    while let Err(error) = store.migrate().await {
        tracing::warn!(error = %error.chain(), "the tables are not up to date yet");
        tokio::time::sleep(MIGRATE_PAUSE).await;
    }
}

fn ready(store: &Store) -> ReadinessCheck {
    let store = store.clone();
    Arc::new(move || {
        let store = store.clone();
        Box::pin(async move {
            let part = match tokio::time::timeout(READY_TIMEOUT, store.ready()).await {
                Ok(Ok(())) => Component::ready("database"),
                Ok(Err(error)) => Component::missing("database", format!("{}: {}", store.engine(), error.chain())),
                Err(_) => Component::missing("database", format!("{} does not answer", store.engine())),
            };
            vec![part]
        })
    })
}
