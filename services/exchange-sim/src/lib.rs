//! Exchanges that speak the real formats, with prices that are made up and faults on demand: for demonstrations, for
//! tests, and for people who write a client of an exchange and cannot ask it to fail.
//!
//! Every answer has the header `x-simulated: true`. A real exchange's address is replaced by
//! `http://127.0.0.1:8090/<exchange>`.

mod admin;
mod config;
mod exchanges;
mod faults;
mod market;
mod stage;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, sync::Arc};

use common::{
    config::Env,
    http::{RateLimit, ReadinessCheck, Server, Standard, document, endpoint},
    metrics::Metrics,
    service::Service,
};
use poem::{EndpointExt, Response, http::HeaderValue};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;
use faults::Faults;
use market::Market;

const ABOUT: &str =
    "Simulated exchanges that speak the formats of real ones and fail on demand. No price here is real.";
/// The header that tells simulated answers from real ones.
const SIMULATED_HEADER: &str = "x-simulated";

/// exchange-sim on a listener.
pub struct App {
    server: Server,
}

impl Service for App {
    const NAME: &'static str = "exchange-sim";
    const PORT: u16 = 8090;
    type Config = Config;

    fn configure(env: &mut Env) -> Config {
        Config::read(env)
    }

    async fn build(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let faults = Arc::new(Faults::default());
        let standard = Standard {
            service: Self::NAME,
            about: ABOUT,
            metrics: Metrics::new(Self::NAME),
            ready: ready(),
            internal_token: Some(config.internal_token),
            rate_limit: RateLimit::default(),
        };
        let api = (admin::Admin::new(faults.clone()), exchanges::all(&Arc::new(Market::new(config.seed)), &faults));
        let marked = endpoint(api, standard).after(|result: poem::Result<Response>| async move {
            result.map(|mut response| {
                response.headers_mut().insert(SIMULATED_HEADER, HeaderValue::from_static("true"));
                response
            })
        });
        Ok(Self { server: Server::new(listener, marked.boxed()) })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        ready()
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.server.run_until(stop).await
    }

    fn openapi() -> String {
        document::<(admin::Admin, exchanges::All)>(Self::NAME, ABOUT)
    }
}

/// It needs nothing but itself.
fn ready() -> ReadinessCheck {
    Arc::new(|| Box::pin(async { Vec::new() }))
}
