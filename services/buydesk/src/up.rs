//! `buydesk up`: runs all services in this process. Each service listens on its own port and calls the other services by their
//! addresses.

mod messages;
mod ports;
mod service_names;

use std::time::Duration;

use anyhow::Context;
use common::{
    config::{Bind, Caller, Env, Secret, connect_address, shared},
    error_chain::format_chain,
    error_tracking::{self, ErrorTracker},
    live_settings::{HangupSignal, LivePart, LiveSettings},
    process,
    reporting::{self, Heartbeats, ReportQueue},
    server::{Listener, ReadinessCheck, ServerConfig, limits::DRAIN_TIMEOUT, required_descriptors},
    service::{Service, live_part},
    shutdown::{self, STOP_TIMEOUT, Shutdown},
    telemetry, trace_export,
};
use db_proxy::database::shown_url;
use futures_util::future::select_all;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::{
    messages::{CommandHints, announce_readiness, price_note, replaced_source_addresses, service_table},
    service_names::SERVICE_NAMES,
};
use crate::cli::UpArgs;

/// The number of services, including exchange-sim.
const SERVICES: u64 = SERVICE_NAMES.len() as u64;

/// The listeners of all services. They are bound before any service starts, so that the addresses of all services are known.
struct Listeners {
    create_order: Listener,
    fetch_orders: Listener,
    price_cache: Listener,
    price_updater: Listener,
    db_proxy: Listener,
    health_check: Listener,
    rates: Listener,
    users: Listener,
    wallets: Listener,
    /// `None` without `--demo`.
    exchange_sim: Option<Listener>,
}

struct RunningService {
    name: &'static str,
    task: JoinHandle<anyhow::Result<()>>,
    heartbeats: JoinHandle<()>,
    stop: CancellationToken,
    readiness: ReadinessCheck,
    live_part: Option<LivePart>,
}

/// Checks that the process can open enough files for all services. Returns the maximum number of open files.
pub fn check_descriptors() -> anyhow::Result<u64> {
    process::require_descriptors("buydesk up", required_descriptors(SERVICES))
}

/// Runs all services until Ctrl-C or SIGTERM, or until a service ends. `descriptors` is the maximum number of open
/// files of the process.
pub async fn run_services(mut env: Env, args: &UpArgs, descriptors: u64) -> anyhow::Result<()> {
    let hangup = HangupSignal::register()?;
    env.set_default("INTERNAL_TOKEN", Secret::random().expose());
    let operator_token = make_operator_token(&mut env);
    let mut replaced_settings = Vec::new();
    let mut replaced_addresses = None;
    let history = if args.demo { "database/data/demo-health.jsonl" } else { "database/data/health.jsonl" };
    env.set_default("HEALTH_HISTORY_FILE", history);
    if args.demo {
        replaced_settings = db_proxy::declare_simulated(&mut env);
        replaced_addresses = replaced_source_addresses(&mut env);
    } else {
        // By default, the orders of the database are real.
        env.set_default("SIMULATED", "false");
    }
    let telemetry_config = telemetry::Config::from_env(&mut env);
    let traces = trace_export::Config::from_env(&mut env);
    let error_tracking = error_tracking::Config::from_env(&mut env);
    check_settings(&mut env, args.demo)?;
    let database = shown_url(db_proxy::database_url(&mut env).expose());
    let orders = if shared::simulated(&mut env) == Some(true) { "SIMULATED orders" } else { "Orders" };
    let price_note = price_note(&mut env, args.demo);
    let reports = reporting::report_queue("buydesk");
    let errors = ErrorTracker::start(error_tracking);
    telemetry::init(&telemetry_config, "buydesk", errors.with_sink(reporting::warning_sink(reports.queue())))?;
    for warning in env.warnings() {
        tracing::warn!("{warning}");
    }
    for replaced in replaced_settings {
        tracing::warn!("{replaced}");
    }
    if let Some(replaced) = replaced_addresses {
        tracing::warn!("{replaced}");
    }
    let config = ServerConfig::from_env(&mut env).within_descriptors(descriptors, SERVICES);
    let shutdown = shutdown::on_signal(config.shutdown_delay)?;
    let Shutdown { draining, stop } = shutdown.clone();
    let drain_end = CancellationToken::new();
    let binder = Binder { env: &mut env, config, draining, drain_end: drain_end.clone() };
    let listeners = binder.bind_all(args.demo).await?;
    set_service_urls(&mut env, &listeners)?;
    let table = service_table(&listeners)?;
    let hints = CommandHints::new(&mut env, &listeners)?;
    let reporting_config = reporting::Config::from_env(&mut env, Caller::BUYDESK);
    let trace_export = trace_export::start(traces, &SERVICE_NAMES)?;
    let queue = reports.queue();
    let flush = CancellationToken::new();
    let mut running = start_all(&mut env, listeners, reporting_config.heartbeat_interval, &queue).await?;
    let demo = args.demo;
    let live_settings = LiveSettings::new(env, move |env| read_process_settings(env, demo));
    if let Some(mut live_settings) = live_settings {
        running.iter_mut().filter_map(|service| service.live_part.take()).for_each(|part| live_settings.add(part));
        tokio::spawn(live_settings.run(hangup, shutdown));
    }
    let send_reports = tokio::spawn(reporting::send_reports(reporting_config, reports, flush.clone()));

    println!("{table}\nThe documentation of each service is at /docs of its address.\n{price_note}");
    println!("{orders} are stored in {database}.");
    if let Some(token) = operator_token {
        println!("OPERATOR_TOKEN for operators, valid until this command ends: {}", token.expose());
    }
    // create-order is the last service that starts. Its readiness states whether orders can be placed.
    let readiness = running.last().map(|create_order| create_order.readiness.clone());
    let announcement = tokio::spawn(announce_readiness(readiness, hints));
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        (result, index, _) = select_all(running.iter_mut().map(|service| &mut service.task)) => {
            Err(early_end_error(running.remove(index).name, result))
        }
    };
    announcement.abort();
    println!("Stopping. Accepted requests are being completed.");
    // The services stop one after the other. The requests in flight of all services have the same deadline.
    tokio::spawn(async move {
        tokio::time::sleep(DRAIN_TIMEOUT).await;
        drain_end.cancel();
    });
    let stop_all = async {
        // The services stop in the reverse order of their start: each stops before the services that it needs.
        for RunningService { name, task, heartbeats, stop, .. } in running.into_iter().rev() {
            stop.cancel();
            if let Err(error) = flatten_result(task.await).and(Ok(heartbeats.await?)) {
                tracing::error!(service = name, error = %format_chain(error.as_ref()), "the service ended with an error");
            }
        }
        flush.cancel();
        let sent = send_reports.await.context("the task that sends reports panicked");
        trace_export.stop().await;
        errors.stop().await;
        sent
    };
    tokio::time::timeout(STOP_TIMEOUT, stop_all)
        .await
        .with_context(|| format!("not every service stopped within {} s", STOP_TIMEOUT.as_secs()))??;
    println!("Stopped.");
    ended
}

/// Sets `OPERATOR_TOKEN` to a random token if it is not set. Returns the random token.
fn make_operator_token(env: &mut Env) -> Option<Secret> {
    if env.text("OPERATOR_TOKEN").is_some() {
        return None;
    }
    let token = Secret::random();
    env.set_default("OPERATOR_TOKEN", token.expose());
    Some(token)
}

fn flatten_result(result: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    result.context("the service panicked")?
}

/// The error of a service that ended although nothing stopped it.
fn early_end_error(name: &str, result: Result<anyhow::Result<()>, JoinError>) -> anyhow::Error {
    match flatten_result(result) {
        Ok(()) => anyhow::anyhow!("{name} ended unexpectedly"),
        Err(error) => error.context(format!("{name} failed")),
    }
}

/// Reads the settings of all services. All invalid settings are reported together, before a port is bound.
fn check_settings(env: &mut Env, demo: bool) -> anyhow::Result<()> {
    fn check<S: Service>(env: &mut Env) {
        S::configure(env);
    }
    check::<create_order::App>(env);
    check::<fetch_orders::App>(env);
    check::<price_cache_proxy::App>(env);
    check::<price_updater::App>(env);
    check::<db_proxy::App>(env);
    check::<health_check::App>(env);
    check::<rates::App>(env);
    check::<users::App>(env);
    check::<wallets::App>(env);
    check::<exchange_sim::App>(env);
    read_process_settings(env, demo);
    Ok(env.finish()?)
}

/// Reads the settings that belong to no single service.
fn read_process_settings(env: &mut Env, demo: bool) {
    ports::check_ports(env, demo);
    reporting::Config::from_env(env, Caller::BUYDESK);
    trace_export::Config::from_env(env);
    error_tracking::Config::from_env(env);
    ServerConfig::from_env(env);
}

/// Binds the listeners of all services.
struct Binder<'a> {
    env: &'a mut Env,
    config: ServerConfig,
    draining: CancellationToken,
    drain_end: CancellationToken,
}

impl Binder<'_> {
    async fn bind<S: Service>(&mut self) -> anyhow::Result<Listener> {
        let address = Bind::from_env(self.env, S::NAME, S::PORT);
        let listener = Listener::bind(S::NAME, address, self.config.clone()).await?;
        Ok(listener.with_draining(self.draining.clone()).with_drain_end(self.drain_end.clone()))
    }

    async fn bind_all(mut self, demo: bool) -> anyhow::Result<Listeners> {
        Ok(Listeners {
            create_order: self.bind::<create_order::App>().await?,
            fetch_orders: self.bind::<fetch_orders::App>().await?,
            price_cache: self.bind::<price_cache_proxy::App>().await?,
            price_updater: self.bind::<price_updater::App>().await?,
            db_proxy: self.bind::<db_proxy::App>().await?,
            health_check: self.bind::<health_check::App>().await?,
            rates: self.bind::<rates::App>().await?,
            users: self.bind::<users::App>().await?,
            wallets: self.bind::<wallets::App>().await?,
            exchange_sim: if demo { Some(self.bind::<exchange_sim::App>().await?) } else { None },
        })
    }
}

/// Sets the variables that contain the addresses of services to the bound addresses.
fn set_service_urls(env: &mut Env, listeners: &Listeners) -> anyhow::Result<()> {
    let mut set_url = |variable: &str, listener: &Listener, path: &str| -> anyhow::Result<()> {
        env.set(variable, format!("{}{path}", base_url(listener)?));
        Ok(())
    };
    set_url("DB_PROXY_URL", &listeners.db_proxy, "")?;
    set_url("FETCH_ORDERS_URL", &listeners.fetch_orders, "")?;
    set_url("RATES_URL", &listeners.rates, "")?;
    set_url("PRICE_CACHE_URL", &listeners.price_cache, "")?;
    set_url("HEALTH_CHECK_URL", &listeners.health_check, "")?;
    if let Some(exchanges) = &listeners.exchange_sim {
        for (exchange, variable) in price_updater::url_variables() {
            set_url(variable, exchanges, &format!("/{exchange}"))?;
        }
        let address = connect_address(exchanges.address()?);
        for (exchange, variable) in price_updater::websocket_variables() {
            env.set(variable, format!("ws://{address}/{exchange}/ws"));
        }
    }
    Ok(())
}

fn base_url(listener: &Listener) -> std::io::Result<String> {
    Ok(format!("http://{}", connect_address(listener.address()?)))
}

/// Starts every service after the services that it needs.
async fn start_all(
    env: &mut Env,
    listeners: Listeners,
    interval: Duration,
    queue: &ReportQueue,
) -> anyhow::Result<Vec<RunningService>> {
    let mut running = Vec::new();
    if let Some(listener) = listeners.exchange_sim {
        running.push(start_service::<exchange_sim::App>(env, listener, interval, queue).await?);
    }
    running.push(start_service::<health_check::App>(env, listeners.health_check, interval, queue).await?);
    running.push(start_service::<db_proxy::App>(env, listeners.db_proxy, interval, queue).await?);
    running.push(start_service::<price_cache_proxy::App>(env, listeners.price_cache, interval, queue).await?);
    running.push(start_service::<price_updater::App>(env, listeners.price_updater, interval, queue).await?);
    running.push(start_service::<users::App>(env, listeners.users, interval, queue).await?);
    running.push(start_service::<wallets::App>(env, listeners.wallets, interval, queue).await?);
    let trusted_proxies = env.text("TRUSTED_PROXIES").unwrap_or_default().to_owned();
    let mut forwarded = env.clone();
    forwarded.set("TRUSTED_PROXIES", with_forwarding_address(&trusted_proxies, &listeners.create_order)?);
    running.push(start_service::<rates::App>(&mut forwarded, listeners.rates, interval, queue).await?);
    running.push(start_service::<fetch_orders::App>(&mut forwarded, listeners.fetch_orders, interval, queue).await?);
    running.push(start_service::<create_order::App>(env, listeners.create_order, interval, queue).await?);
    Ok(running)
}

/// Extends `trusted_proxies` by the IP address of create-order. The rate limits of `rates` and fetch-orders then
/// apply to the client that sent a forwarded read, not to create-order.
fn with_forwarding_address(trusted_proxies: &str, create_order: &Listener) -> std::io::Result<String> {
    let forwarding = connect_address(create_order.address()?).ip();
    Ok(if trusted_proxies.is_empty() { forwarding.to_string() } else { format!("{trusted_proxies},{forwarding}") })
}

/// Starts one service. `interval` is the interval of its heartbeats.
async fn start_service<S: Service + 'static>(
    env: &mut Env,
    listener: Listener,
    interval: Duration,
    queue: &ReportQueue,
) -> anyhow::Result<RunningService> {
    let config = S::configure(env);
    env.finish()?;
    // The span adds the name of the service to log events that belong to no request.
    let span = tracing::info_span!("service", service = S::NAME);
    let build = S::build(config, listener).instrument(span.clone());
    let service = build.await.with_context(|| format!("{} could not start", S::NAME))?;
    let (readiness, stop) = (service.readiness(), CancellationToken::new());
    let live_part = Some(live_part(&service));
    let port = service.address().ok().map(|address| address.port());
    let heartbeats = Heartbeats { service: S::NAME, port, check_readiness: readiness.clone(), interval };
    let heartbeats = tokio::spawn(heartbeats.send(queue.clone(), stop.clone()).instrument(span.clone()));
    let task = tokio::spawn(service.run_until(stop.clone()).instrument(span));
    Ok(RunningService { name: S::NAME, task, heartbeats, stop, readiness, live_part })
}

#[cfg(test)]
mod tests;
