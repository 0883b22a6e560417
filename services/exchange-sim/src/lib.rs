//! Simulated exchanges in the formats of real ones, with made-up prices and faults on demand. They serve
//! demonstrations, tests, and developers of exchange clients, who cannot make a real exchange fail.
//!
//! Every response has the header `x-simulated: true`. `http://127.0.0.1:8090/<exchange>` replaces the base address of
//! the real exchange. `docs/exchange-sim.md` is the manual.

mod admin;
mod config;
mod documentation;
mod exchange_view;
mod exchanges;
mod fault_injector;
mod faults;
mod formats;
mod market;
mod rate_limits;
mod response;
mod simulation;
#[cfg(test)]
mod tests;
mod ws;

use std::{net::SocketAddr, sync::Arc};

use common::{
    api::Problem,
    config::{Caller, Env},
    metrics::Metrics,
    server::{
        Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint_with_imitation,
    },
    service::Service,
};
use poem::{EndpointExt, Response, endpoint::BoxEndpoint, http::HeaderValue};
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use faults::{FaultInfo, FaultKind, MarketMove, NewFault, TimedFault};
pub use formats::{NumberFormat, TimeFormat};
pub use rate_limits::CallCounters;
pub use simulation::Simulation;
pub use ws::{ClientEnd, FromClient, FromExchange, WebSocketError};

use admin::Admin;
use market::Market;
use response::SIMULATED_HEADER;

/// The names of all exchanges. Each name is also the first part of the exchange's paths.
pub const EXCHANGES: &[&str] = exchanges::NAMES;

/// The service, bound to its listener.
pub struct App {
    server: Server,
}

impl Service for App {
    const NAME: &'static str = "exchange-sim";
    const PORT: u16 = 8090;
    const CALLER: Caller = Caller::EXCHANGE_SIM;
    const MUST_REPORT: bool = false;
    type Config = Config;

    fn configure(env: &mut Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let (endpoint, _) = endpoint(&config);
        Ok(Self { server: Server::new(listener, endpoint) })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        always_ready()
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        self.server.run_until(stop).await
    }

    fn openapi() -> String {
        openapi_document::<(Admin, exchanges::Routes)>(Self::NAME, &documentation::description())
    }
}

/// Returns exchange-sim as an endpoint that needs no socket, and a handle to its simulation. The configured timeline
/// starts with this call.
pub fn endpoint(config: &Config) -> (BoxEndpoint<'static>, Simulation) {
    let simulation = simulation(config);
    let ops = OpsEndpoints {
        service: App::NAME,
        description: documentation::description(),
        metrics: Metrics::new(App::NAME),
        ready: always_ready(),
        accepted_callers: config.accepted_callers.clone(),
        access: None,
        rate_limit: RateLimit::default(),
        value_check: None,
    };
    let (admin, exchanges) = (Admin::new(simulation.clone()), exchanges::routes(&simulation));
    let http = service_endpoint_with_imitation(admin, exchanges, ops);
    let endpoint = ws::with_websockets(http, simulation.clone()).after(|result: poem::Result<Response>| async move {
        result.map(|mut response| {
            response.headers_mut().insert(SIMULATED_HEADER, HeaderValue::from_static("true"));
            response
        })
    });
    (endpoint.boxed(), simulation)
}

fn simulation(config: &Config) -> Simulation {
    let simulation = Simulation {
        exchanges: EXCHANGES,
        market: Arc::new(Market::new(config.seed)),
        faults: Arc::default(),
        rate_limiter: Arc::default(),
        clock: config.clock,
        enforce_rate_limits: config.enforce_rate_limits,
    };
    // `Config::from_env` has checked the timeline. Only a `Config` that was built in code can be invalid.
    if let Err(errors) = simulation.set_timeline(&config.timeline, &config.market) {
        let error = Problem::validation(errors);
        tracing::error!(%error, "the configured timeline is invalid and is ignored");
    }
    simulation
}

/// exchange-sim depends on no other service.
fn always_ready() -> ReadinessCheck {
    Arc::new(|| Box::pin(async { Vec::new() }))
}
