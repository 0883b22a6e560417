//! The life cycle of a service: read settings, bind a listener, build, serve until stopped.

use std::{future::Future, net::SocketAddr, process::ExitCode, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Bind, Env, connect_address},
    reporting,
    server::{ReadinessCheck, bind},
    shutdown, telemetry,
};

/// A service. The binary of one service and the binary that runs all services use the same functions.
pub trait Service: Sized + Send {
    const NAME: &'static str;
    const PORT: u16;
    type Config: Send;

    /// Reads the settings. Errors are collected in `env`.
    fn configure(env: &mut Env) -> Self::Config;

    /// Builds the service on a listener. Must succeed even if external components are unavailable, because they may start
    /// later.
    fn build(config: Self::Config, listener: TcpListener) -> impl Future<Output = anyhow::Result<Self>> + Send;

    fn address(&self) -> std::io::Result<SocketAddr>;

    /// The check of the external components, for `/readyz` and the heartbeats.
    fn readiness(&self) -> ReadinessCheck;

    /// Serves until `stop` is cancelled and accepted requests are finished.
    fn run_until(self, stop: CancellationToken) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// The OpenAPI document.
    fn openapi() -> String;
}

const USAGE: &str = "Settings are environment variables; see .env.example.
  --check     check whether the running service is ready; exits with 0 or 1
  --openapi   print the OpenAPI document
  --version   print the version";

/// The `main` function of the binary of a service.
pub async fn main<S: Service>() -> ExitCode {
    let argument = std::env::args().nth(1);
    let result = match argument.as_deref() {
        None => serve::<S>().await,
        Some("--check") => check_running::<S>().await,
        Some("--openapi") => {
            println!("{}", S::openapi());
            Ok(())
        }
        Some("--version") => {
            println!("{} {}", S::NAME, env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Some(_) => {
            println!("{}: a service of Buydesk\n{USAGE}", S::NAME);
            Ok(())
        }
    };
    telemetry::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error:#}", S::NAME);
            ExitCode::FAILURE
        }
    }
}

async fn serve<S: Service>() -> anyhow::Result<()> {
    let mut env = Env::from_process()?;
    let telemetry = telemetry::Config::from_env(&mut env);
    let reporting = reporting::Config::from_env(&mut env);
    let bind_address = Bind::from_env(&mut env, S::NAME, S::PORT);
    let config = S::configure(&mut env);
    env.finish()?;

    let receiver = reporting::report_queue(S::NAME);
    telemetry::init(&telemetry, S::NAME, reporting::warning_sink(receiver.queue()))?;
    let stop = shutdown::on_signal()?;
    let listener = bind(S::NAME, bind_address).await?;
    let service = S::build(config, listener).await?;
    let address = service.address()?;
    tracing::info!(service = S::NAME, %address, "started; the documentation is at /docs");

    let heartbeats = reporting::send_heartbeats(
        S::NAME,
        service.readiness(),
        reporting.heartbeat_interval,
        receiver.queue(),
        stop.clone(),
    );
    let heartbeats = tokio::spawn(heartbeats);
    let reports_done = CancellationToken::new();
    let sender = tokio::spawn(reporting::send_reports(reporting, receiver, reports_done.clone()));
    let result = service.run_until(stop.clone()).await;
    stop.cancel();
    tracing::info!(service = S::NAME, "stopped");
    // The sender stops only after the last heartbeat is queued. Both steps have a time limit.
    let _ = heartbeats.await;
    reports_done.cancel();
    let _ = sender.await;
    result
}

/// Checks whether the service that runs with the same settings is ready. Used by the health check of containers.
async fn check_running<S: Service>() -> anyhow::Result<()> {
    let mut env = Env::from_process()?;
    let bind_address = Bind::from_env(&mut env, S::NAME, S::PORT);
    env.finish()?;
    let url = format!("http://{}/readyz", connect_address(SocketAddr::new(bind_address.host, bind_address.port)));
    let response = crate::clients::http_client().get(&url).timeout(Duration::from_secs(3)).send().await?;
    let (status, body) = (response.status(), response.text().await?);
    anyhow::ensure!(status.is_success(), "{url} responded with {status}: {body}");
    println!("{body}");
    Ok(())
}
