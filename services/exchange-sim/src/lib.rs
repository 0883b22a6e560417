//! Exchanges that speak the real formats, with prices that are made up and faults on demand: for demonstrations, for
//! tests, and for people who write a client of an exchange and cannot ask it to fail.
//!
//! Every answer has the header `x-simulated: true`. A real exchange's address is replaced by
//! `http://127.0.0.1:8090/<exchange>`. `docs/exchange-sim.md` tells how to use it.

mod admin;
mod call_limits;
mod config;
mod exchanges;
mod faults;
mod formats;
mod market;
mod response;
mod simulation;
#[cfg(test)]
mod tests;
mod ws;

use std::{net::SocketAddr, sync::Arc};

use common::{
    config::Env,
    server::{ReadinessCheck, Server, openapi_document},
    service::Service,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use call_limits::{CallLimiter, ExchangeCalls};
pub use config::Config;
pub use faults::{ActiveFault, Fault, FaultError, FaultKind, FaultStore, NewFault, NumberForm, TimeForm, TimedFault};
pub use simulation::{Simulation, endpoint};
pub use ws::{ClientEnd, FromClient, FromExchange, WebSocketError};

const ABOUT: &str =
    "Simulated exchanges that speak the formats of real ones and fail on demand. No price here is real.";
/// The names of all exchanges, which are also the first part of their paths.
pub const EXCHANGES: &[&str] = exchanges::NAMES;
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
        let (endpoint, _) = endpoint(&config);
        Ok(Self { server: Server::new(listener, endpoint) })
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
        openapi_document::<(admin::Admin, exchanges::All)>(Self::NAME, ABOUT)
    }
}

/// It needs nothing but itself.
fn ready() -> ReadinessCheck {
    Arc::new(|| Box::pin(async { Vec::new() }))
}
