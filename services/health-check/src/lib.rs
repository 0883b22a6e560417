//! Where every service tells that it is alive and what troubles it, and where people look.

mod clock;
mod config;
mod error;
mod health_service;
mod metrics;
mod registry;
mod report_store;
mod routes;
mod status_page;
#[cfg(test)]
mod tests;
mod validation;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use common::{
    config::Env,
    metrics::Metrics,
    server::{OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::Service,
};
use tokio::{net::TcpListener, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use clock::Clock;
pub use config::Config;
use health_service::HealthService;
use routes::Routes;

const ABOUT: &str = "Knows how every service stands, and keeps what they report.";
/// How often it is looked whether somebody stopped calling.
const TICK: Duration = Duration::from_secs(1);

/// health-check on a listener.
pub struct App {
    server: Server,
    service: Arc<HealthService>,
    clock: Clock,
}

impl Service for App {
    const NAME: &'static str = "health-check";
    const PORT: u16 = 8050;
    type Config = Config;

    fn configure(env: &mut Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let metrics = Metrics::new(Self::NAME);
        let clock = Clock::start();
        let service = Arc::new(HealthService::new(&metrics, clock.now()));
        let standard = OpsEndpoints {
            service: Self::NAME,
            about: ABOUT,
            metrics,
            ready: no_parts(),
            internal_token: Some(config.internal_token),
            rate_limit: RateLimit::default(),
        };
        let server = Server::new(listener, service_endpoint(Routes::new(Arc::clone(&service), clock), standard));
        Ok(Self { server, service, clock })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        no_parts()
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { server, service, clock } = self;
        let watch = async {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                service.tick(clock.now());
            }
        };
        tokio::select! {
            served = server.run_until(stop) => served,
            () = watch => Ok(()),
        }
    }

    fn openapi() -> String {
        openapi_document::<Routes>(Self::NAME, ABOUT)
    }
}

/// It keeps everything in memory and needs nobody, so that it still answers when all others are gone.
fn no_parts() -> ReadinessCheck {
    Arc::new(|| Box::pin(async { Vec::new() }))
}
