//! db-proxy: the only owner of the database. Orders, the limit of all orders, idempotency keys, history.

mod config;
mod error;
pub mod ledger;
pub mod metrics;
pub mod order_id;
mod routes;
pub mod store;
pub mod writer;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use common::{
    api::health::Part,
    http::{RateLimit, ReadinessCheck, Server, Standard, document, endpoint},
    metrics::Metrics,
    service::Service,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{metrics::WriterMetrics, routes::Api, store::Store, writer::Writer};

/// How long `/readyz` waits for the database.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between tries to reach a database that was away at the start.
const MIGRATE_PAUSE: Duration = Duration::from_millis(500);

/// The running service.
pub struct App {
    server: Server,
    store: Store,
    writer: JoinHandle<()>,
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
        let metrics = Metrics::new(Self::NAME);
        let (_, limit) = watch::channel(config.limit);
        let (writer, task) = Writer::new(store.clone(), limit.clone(), WriterMetrics::register(&metrics));
        let standard = Standard {
            service: Self::NAME,
            about: ABOUT,
            metrics,
            ready: ready(&store),
            internal_token: Some(config.internal_token),
            rate_limit: RateLimit::default(),
        };
        let endpoint = endpoint(Api { store: store.clone(), writer, limit }, standard);
        let to_migrate = store.clone();
        let writer = tokio::spawn(async move {
            migrate(&to_migrate).await;
            task.await;
        });
        Ok(Self { server: Server::new(listener, endpoint), store, writer })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        ready(&self.store)
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        // When the server has ended, the last handle of the writer is gone, and it ends after what still waits.
        let result = self.server.run_until(stop).await;
        self.writer.await?;
        self.store.close().await;
        result
    }

    fn openapi() -> String {
        document::<Api>(Self::NAME, ABOUT)
    }
}

const ABOUT: &str = "The only owner of the database: orders, their limit, idempotency keys. For other services only.";

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
                Ok(Ok(())) => Part::ready("database"),
                Ok(Err(error)) => Part::missing("database", format!("{}: {}", store.engine(), error.chain())),
                Err(_) => Part::missing("database", format!("{} does not answer", store.engine())),
            };
            vec![part]
        })
    })
}
