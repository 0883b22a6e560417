//! The life cycle of a service: read settings, bind a listener, build, serve until stopped.

mod command_line;
mod supervisor;

use std::{future::Future, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use self::command_line::Action;
pub use self::{command_line::Task, supervisor::TaskSupervisor};

use crate::{
    clients::{describe_transport_failure, http_client},
    config::{Bind, Caller, Env, LiveSetting, connect_address, shared},
    error_tracking::{self, ErrorTracker},
    live_settings::{HangupSignal, LivePart, LiveSettings},
    process,
    reporting::{self, Heartbeats},
    server::{Listener, ReadinessCheck, ServerConfig, required_descriptors},
    shutdown::{self, STOP_TIMEOUT, Shutdown},
    telemetry, trace_export,
};

/// Deadline of the request that checks the readiness of the running service.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Applies the live settings of a configuration to a running service.
pub type ApplySettings<C> = Arc<dyn Fn(C) + Send + Sync>;

/// A service. The binary of one service and the binary that runs all services use the same functions.
pub trait Service: Sized + Send {
    const NAME: &'static str;
    const PORT: u16;
    /// The service as a caller of other services.
    const CALLER: Caller;
    /// Whether the service requires a token for health-check. A service that does not require the token sends reports
    /// only if the token is set.
    const MUST_REPORT: bool = true;
    type Config: Send + 'static;
    /// The settings that take effect without a restart, because [`live_settings`](Self::live_settings) applies them.
    const LIVE_SETTINGS: &'static [LiveSetting] = &[];

    /// Reads the settings. Errors are collected in `env`.
    fn configure(env: &mut Env) -> Self::Config;

    /// Builds the service on a listener. Must succeed even if external components are unavailable, because these can
    /// start later.
    fn build(config: Self::Config, listener: Listener) -> impl Future<Output = anyhow::Result<Self>> + Send;

    fn address(&self) -> std::io::Result<SocketAddr>;

    /// The check of the external components, for `/readyz` and the heartbeats.
    fn readiness(&self) -> ReadinessCheck;

    /// Returns a function that applies the [live settings](Self::LIVE_SETTINGS) of a new configuration to the running
    /// service. The function ignores all other settings.
    fn live_settings(&self) -> ApplySettings<Self::Config> {
        Arc::new(|_| {})
    }

    /// Serves until `stop` is cancelled and accepted requests are finished.
    fn run_until(self, stop: CancellationToken) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// The OpenAPI document.
    fn openapi() -> String;
}

/// The `main` function of the binary of a service.
pub fn main<S: Service + 'static>() -> ExitCode {
    main_with::<S>(None)
}

/// Like [`main`], but for a binary that can also run `task` instead of serving.
pub fn main_with<S: Service + 'static>(task: Option<Task>) -> ExitCode {
    match command_line::action_of(S::NAME, task, std::env::args_os()) {
        Ok(Action::Serve) => {}
        Ok(Action::Check) => return process::run(S::NAME, check_running::<S>()),
        Ok(Action::PrintOpenApi) => {
            println!("{}", S::openapi());
            return ExitCode::SUCCESS;
        }
        Ok(Action::Run(task)) => return task(),
        // For `--help` and `--version`, prints the text to standard output and exits with code 0.
        Err(error) => error.exit(),
    }
    // File descriptors are checked before the runtime starts, because the runtime opens files.
    let limit = match process::require_descriptors(S::NAME, required_descriptors(1)) {
        Ok(limit) => limit,
        Err(error) => return process::fail(S::NAME, &error),
    };
    process::run(S::NAME, async {
        let result = serve::<S>(limit).await;
        telemetry::flush();
        result
    })
}

/// Runs the service in a process that may open `descriptors` files.
async fn serve<S: Service + 'static>(descriptors: u64) -> anyhow::Result<()> {
    let hangup = HangupSignal::register()?;
    let mut env = Env::from_process()?;
    let telemetry = telemetry::Config::from_env(&mut env);
    let CommonConfig { reporting, traces, error_tracking, bind_address, server_config } =
        CommonConfig::from_env::<S>(&mut env);
    let config = S::configure(&mut env);
    env.finish()?;

    let receiver = reporting::report_queue(S::NAME);
    let errors = ErrorTracker::start(error_tracking);
    telemetry::init(&telemetry, S::NAME, errors.with_sink(reporting::warning_sink(receiver.queue())))?;
    for warning in env.warnings() {
        tracing::warn!("{warning}");
    }
    let shutdown = shutdown::on_signal(server_config.shutdown_delay)?;
    let Shutdown { draining, stop } = shutdown.clone();
    let listener = Listener::bind(S::NAME, bind_address, server_config.within_descriptors(descriptors, 1)).await?;
    let listener = listener.with_draining(draining);
    let trace_export = trace_export::start(traces, &[S::NAME])?;
    let service = S::build(config, listener).await?;
    let address = service.address()?;
    tracing::info!(service = S::NAME, %address, "started; the documentation is at /docs");

    let live_settings =
        LiveSettings::new(env, |env| drop(CommonConfig::from_env::<S>(env))).map(|mut live_settings| {
            live_settings.add(live_part(&service));
            tokio::spawn(live_settings.run(hangup, shutdown))
        });
    let reports_done = CancellationToken::new();
    let reports = reporting.map(|reporting| {
        let heartbeats = Heartbeats {
            service: S::NAME,
            port: Some(address.port()),
            check_readiness: service.readiness(),
            interval: reporting.heartbeat_interval,
        };
        let heartbeats = heartbeats.send(receiver.queue(), stop.clone());
        let sender = reporting::send_reports(reporting, receiver, reports_done.clone());
        (tokio::spawn(heartbeats), tokio::spawn(sender))
    });
    let run = async {
        let result = service.run_until(stop.clone()).await;
        stop.cancel();
        if let Some(live_settings) = live_settings {
            let _ = live_settings.await;
        }
        tracing::info!(service = S::NAME, "stopped");
        if let Some((heartbeats, sender)) = reports {
            // The last heartbeat must be queued before the sender stops.
            let _ = heartbeats.await;
            reports_done.cancel();
            let _ = sender.await;
        }
        trace_export.stop().await;
        errors.stop().await;
        result
    };
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        result = run => result,
        () = too_late => anyhow::bail!("the service did not stop within {} s", STOP_TIMEOUT.as_secs()),
    }
}

/// The settings that every service has, except the settings of the logs.
struct CommonConfig {
    /// `None` if the service sends no reports.
    reporting: Option<reporting::Config>,
    traces: Option<trace_export::Config>,
    error_tracking: Option<error_tracking::Config>,
    bind_address: Bind,
    server_config: ServerConfig,
}

impl CommonConfig {
    fn from_env<S: Service>(env: &mut Env) -> Self {
        let reports = S::MUST_REPORT || shared::has_health_check_token(env);
        Self {
            reporting: reports.then(|| reporting::Config::from_env(env, S::CALLER)),
            traces: trace_export::Config::from_env(env),
            error_tracking: error_tracking::Config::from_env(env),
            bind_address: Bind::from_env(env, S::NAME, S::PORT),
            server_config: ServerConfig::from_env(env),
        }
    }
}

/// The live settings of a running service, for [`LiveSettings::add`].
pub fn live_part<S: Service + 'static>(service: &S) -> LivePart {
    let apply = service.live_settings();
    // The log records of `apply` name the service.
    let span = tracing::info_span!("service", service = S::NAME);
    LivePart::new(S::LIVE_SETTINGS, move |env| {
        let (config, apply, span) = (S::configure(env), apply.clone(), span.clone());
        Box::new(move || span.in_scope(|| apply(config)))
    })
}

/// Checks whether the service that runs with the same settings is ready. Used by the health check of containers.
async fn check_running<S: Service>() -> anyhow::Result<()> {
    let mut env = Env::from_process()?;
    let bind_address = Bind::from_env(&mut env, S::NAME, S::PORT);
    env.finish()?;
    let url = format!("http://{}/readyz", connect_address(SocketAddr::new(bind_address.host, bind_address.port)));
    let no_response = |error| {
        let reason = describe_transport_failure(&error, CHECK_TIMEOUT);
        anyhow::anyhow!("{} does not respond at {url}: {reason}", S::NAME)
    };
    let response = http_client().get(&url).timeout(CHECK_TIMEOUT).send().await.map_err(no_response)?;
    let (status, body) = (response.status(), response.text().await.map_err(no_response)?);
    anyhow::ensure!(status.is_success(), "{url} responded with {status}: {body}");
    println!("{}", body.trim_end());
    Ok(())
}
