//! rates: current and past courses of every exchange, agreed prices with their votes, charts and conversions. A course
//! is the last price of one pair at one exchange.

mod chart;
mod config;
mod conversion;
mod current_price;
mod documentation;
mod error;
mod history;
mod known_names;
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
        db_proxy::DbProxyClient,
        http_client,
        price_cache::{PriceCacheClient, PriceCacheWatch},
    },
    config::{Caller, Env, LiveSetting},
    metrics::Metrics,
    server::{Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::{ApplySettings, Service, TaskSupervisor},
    time::Clock,
};
use tokio_util::sync::CancellationToken;

pub use self::config::Config;
use self::{
    chart::ChartRenderer,
    known_names::KnownNames,
    routes::Api,
    snapshot::{SnapshotStore, ingest_snapshots, load_first_snapshot, load_stored_snapshot},
    stream::CourseStreams,
};

/// The service, bound to its listener.
pub struct App {
    server: Server,
    watch: PriceCacheWatch,
    db_proxy: DbProxyClient,
    snapshots: Arc<SnapshotStore>,
    streams: CourseStreams,
    rate_limit: RateLimit,
}

impl Service for App {
    const NAME: &'static str = "rates";
    const PORT: u16 = 8040;
    const CALLER: Caller = Caller::RATES;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] = &[LiveSetting::new("RATES_RATE_LIMIT_PER_MINUTE")];

    fn configure(env: &mut Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let Config {
            price_cache,
            db_proxy,
            db_proxy_token,
            price_cache_token,
            rate_limit,
            price_ttl,
            refresh_interval,
        } = config;
        let http = http_client();
        let price_cache = PriceCacheClient::new(http.clone(), price_cache, price_cache_token);
        let watch = price_cache.watch(&[Topic::MarketSnapshot]);
        let db_proxy = DbProxyClient::new(http, db_proxy, db_proxy_token);
        let metrics = Metrics::new(Self::NAME);
        let snapshots = Arc::new(SnapshotStore::new(Clock::System, &metrics));
        let streams = CourseStreams::new(&metrics);
        let rate_limit = rate_limit.of_service(Self::NAME, &metrics)?;
        let ops = OpsEndpoints {
            service: Self::NAME,
            description: documentation::description(),
            metrics: metrics.clone(),
            ready: readiness(&snapshots, &db_proxy),
            accepted_callers: None,
            // Reads of prices need no credentials.
            access: None,
            rate_limit: rate_limit.clone(),
            value_check: Some(Arc::new(KnownNames { snapshots: snapshots.clone(), db_proxy: db_proxy.clone() })),
        };
        let api = Api {
            snapshots: snapshots.clone(),
            streams: streams.clone(),
            db_proxy: db_proxy.clone(),
            charts: ChartRenderer::new(db_proxy.clone(), refresh_interval, price_ttl),
            price_ttl,
            refresh_interval,
        };
        Ok(Self {
            server: Server::new(listener, service_endpoint(api, ops)).with_metrics(&metrics),
            watch,
            db_proxy,
            snapshots,
            streams,
            rate_limit,
        })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        readiness(&self.snapshots, &self.db_proxy)
    }

    fn live_settings(&self) -> ApplySettings<Config> {
        let rate_limit = self.rate_limit.clone();
        Arc::new(move |config| rate_limit.apply(&config.rate_limit))
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { server, watch, db_proxy, snapshots, streams, rate_limit } = self;
        load_first_snapshot(&watch, &snapshots).await;
        let ingest_stop = stop.clone();
        let mut tasks = TaskSupervisor::default();
        tasks.spawn("snapshot-ingestion", async move {
            ingest_snapshots(watch, || load_stored_snapshot(&db_proxy), &snapshots, ingest_stop).await;
        });
        tasks.spawn("shared-rate-limits", rate_limit.keep_shared(stop.clone()));
        let streams_stop = stop.clone();
        tasks.spawn("course-streams", async move {
            streams_stop.cancelled().await;
            streams.close();
        });
        tasks.run(server.run_until(stop.clone()), &stop).await
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, &documentation::description())
    }
}

fn readiness(snapshots: &Arc<SnapshotStore>, db_proxy: &DbProxyClient) -> ReadinessCheck {
    let (snapshots, db_proxy) = (snapshots.clone(), db_proxy.clone());
    Arc::new(move || {
        let (snapshots, db_proxy) = (snapshots.clone(), db_proxy.clone());
        Box::pin(async move {
            let courses = Component::of_check("courses", snapshots.newest());
            let history = Component::of_check(DbProxyClient::SERVICE, db_proxy.order_summary().await);
            // Courses, prices and conversions are served from memory. Only past courses and charts need db-proxy.
            vec![courses, history.optional()]
        })
    })
}
