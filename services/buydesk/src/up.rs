//! `buydesk up`: all services in this process. Each has its own port and the addresses of the others.

use std::time::Duration;

use anyhow::Context;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use common::{
    config::{Bind, Env, Secret, connect_address},
    reporting::{self, ReportQueue},
    server::{ReadinessCheck, bind},
    service::Service,
    shutdown, telemetry,
};
use futures_util::future::select_all;
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cli::UpArgs;

/// Maximum time for all services to end after Ctrl-C.
const STOP_TIMEOUT: Duration = Duration::from_secs(9);
/// How long `buydesk up` waits for readiness before it prints that orders cannot be placed yet.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
const READY_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The listeners of all services. They are bound before any service starts, so that the addresses of all services are known.
struct Listeners {
    create_order: TcpListener,
    fetch_orders: TcpListener,
    price_cache: TcpListener,
    price_updater: TcpListener,
    db_proxy: TcpListener,
    health_check: TcpListener,
    rates: TcpListener,
    /// With `--demo` only.
    exchange_sim: Option<TcpListener>,
}

struct RunningService {
    name: &'static str,
    task: JoinHandle<anyhow::Result<()>>,
    heartbeats: JoinHandle<()>,
    stop: CancellationToken,
    readiness: ReadinessCheck,
}

/// Runs all services until Ctrl-C, or until a service fails.
pub async fn run_services(mut env: Env, args: &UpArgs) -> anyhow::Result<()> {
    env.set_default("INTERNAL_TOKEN", Secret::random().expose());
    if args.demo {
        env.set("SIMULATED", "true");
    }
    let telemetry_config = telemetry::Config::from_env(&mut env);
    check_settings(&mut env)?;
    let reports = reporting::report_queue("buydesk");
    telemetry::init(&telemetry_config, "buydesk", reporting::warning_sink(reports.queue()))?;
    let stop = shutdown::on_signal()?;
    let listeners = Listeners::bind(&mut env, args.demo).await?;
    set_service_urls(&mut env, &listeners)?;
    let table = service_table(&listeners)?;
    let reporting_config = reporting::Config::from_env(&mut env);
    let queue = reports.queue();
    let flush = CancellationToken::new();
    let mut running = start_all(&mut env, listeners, reporting_config.heartbeat_interval, &queue).await?;
    let send_reports = tokio::spawn(reporting::send_reports(reporting_config, reports, flush.clone()));

    println!("{table}\n{}", price_note(args));
    // create-order starts last and is ready when everything that it needs is ready.
    let readiness = running.last().map(|create_order| create_order.readiness.clone());
    let announcement = tokio::spawn(announce_readiness(readiness));
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        (result, index, _) = select_all(running.iter_mut().map(|service| &mut service.task)) => {
            Err(early_end_error(running.remove(index).name, result))
        }
    };
    announcement.abort();
    println!("Stopping. Accepted requests are being completed.");
    let stop_all = async {
        // In reverse order of start: a service ends before the services that it needs.
        for RunningService { name, task, heartbeats, stop, .. } in running.into_iter().rev() {
            stop.cancel();
            if let Err(error) = flatten_result(task.await).and(Ok(heartbeats.await?)) {
                tracing::error!(service = name, error = %format!("{error:#}"), "the service ended with an error");
            }
        }
        flush.cancel();
        send_reports.await.context("the task that sends reports panicked")
    };
    tokio::time::timeout(STOP_TIMEOUT, stop_all)
        .await
        .with_context(|| format!("not every service ended within {} s", STOP_TIMEOUT.as_secs()))??;
    println!("Stopped.");
    ended
}

fn flatten_result(result: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    result.context("the service panicked")?
}

/// The error of a service that ended before the platform was stopped.
fn early_end_error(name: &str, result: Result<anyhow::Result<()>, JoinError>) -> anyhow::Error {
    match flatten_result(result) {
        Ok(()) => anyhow::anyhow!("{name} ended unexpectedly"),
        Err(error) => error.context(format!("{name} failed")),
    }
}

/// Reads the settings of all services, so that all invalid settings are reported together and before a port is bound.
fn check_settings(env: &mut Env) -> anyhow::Result<()> {
    fn check<S: Service>(env: &mut Env) {
        Bind::from_env(env, S::NAME, S::PORT);
        S::configure(env);
    }
    check::<create_order::App>(env);
    check::<fetch_orders::App>(env);
    check::<price_cache_proxy::App>(env);
    check::<price_updater::App>(env);
    check::<db_proxy::App>(env);
    check::<health_check::App>(env);
    check::<rates::App>(env);
    check::<exchange_sim::App>(env);
    reporting::Config::from_env(env);
    Ok(env.finish()?)
}

impl Listeners {
    async fn bind(env: &mut Env, demo: bool) -> anyhow::Result<Self> {
        async fn bind_service<S: Service>(env: &mut Env) -> anyhow::Result<TcpListener> {
            bind(S::NAME, Bind::from_env(env, S::NAME, S::PORT)).await
        }
        Ok(Self {
            create_order: bind_service::<create_order::App>(env).await?,
            fetch_orders: bind_service::<fetch_orders::App>(env).await?,
            price_cache: bind_service::<price_cache_proxy::App>(env).await?,
            price_updater: bind_service::<price_updater::App>(env).await?,
            db_proxy: bind_service::<db_proxy::App>(env).await?,
            health_check: bind_service::<health_check::App>(env).await?,
            rates: bind_service::<rates::App>(env).await?,
            exchange_sim: if demo { Some(bind_service::<exchange_sim::App>(env).await?) } else { None },
        })
    }
}

/// Sets the variables that contain the addresses of services to the bound addresses.
fn set_service_urls(env: &mut Env, listeners: &Listeners) -> anyhow::Result<()> {
    let mut set_url = |variable: &str, listener: &TcpListener, path: &str| -> anyhow::Result<()> {
        env.set(variable, format!("{}{path}", base_url(listener)?));
        Ok(())
    };
    set_url("DB_PROXY_URL", &listeners.db_proxy, "")?;
    set_url("PRICE_CACHE_URL", &listeners.price_cache, "")?;
    set_url("HEALTH_CHECK_URL", &listeners.health_check, "")?;
    if let Some(exchanges) = &listeners.exchange_sim {
        for (exchange, variable) in price_updater::url_variables() {
            set_url(variable, exchanges, &format!("/{exchange}"))?;
        }
        let address = connect_address(exchanges.local_addr()?);
        for (exchange, variable) in price_updater::websocket_variables() {
            env.set(variable, format!("ws://{address}/{exchange}/ws"));
        }
    }
    env.set_default("ORDERS_URL", base_url(&listeners.fetch_orders)?);
    Ok(())
}

fn base_url(listener: &TcpListener) -> std::io::Result<String> {
    Ok(format!("http://{}", connect_address(listener.local_addr()?)))
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
    running.push(start_service::<rates::App>(env, listeners.rates, interval, queue).await?);
    running.push(start_service::<fetch_orders::App>(env, listeners.fetch_orders, interval, queue).await?);
    running.push(start_service::<create_order::App>(env, listeners.create_order, interval, queue).await?);
    Ok(running)
}

/// Starts one service, and its heartbeats at `interval`.
async fn start_service<S: Service + 'static>(
    env: &mut Env,
    listener: TcpListener,
    interval: Duration,
    queue: &ReportQueue,
) -> anyhow::Result<RunningService> {
    let config = S::configure(env);
    env.finish()?;
    let service = S::build(config, listener).await.with_context(|| format!("{} could not start", S::NAME))?;
    let (readiness, stop) = (service.readiness(), CancellationToken::new());
    let heartbeats = reporting::send_heartbeats(S::NAME, readiness.clone(), interval, queue.clone(), stop.clone());
    // The span names the service in log events outside of requests.
    let span = tracing::info_span!("service", service = S::NAME);
    let task = tokio::spawn(service.run_until(stop.clone()).instrument(span));
    Ok(RunningService { name: S::NAME, task, heartbeats: tokio::spawn(heartbeats), stop, readiness })
}

fn service_table(listeners: &Listeners) -> anyhow::Result<Table> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["service", "address", "documentation", "purpose"]);
    let mut add_row = |name: &str, listener: &TcpListener, purpose: &str| -> anyhow::Result<()> {
        let url = base_url(listener)?;
        table.add_row([name, &url, &format!("{url}/docs"), purpose]);
        Ok(())
    };
    add_row(create_order::App::NAME, &listeners.create_order, "placing orders")?;
    add_row(fetch_orders::App::NAME, &listeners.fetch_orders, "listing orders")?;
    add_row(rates::App::NAME, &listeners.rates, "courses, conversions, charts")?;
    add_row(health_check::App::NAME, &listeners.health_check, "status page for operators")?;
    add_row(price_cache_proxy::App::NAME, &listeners.price_cache, "the current price")?;
    add_row(price_updater::App::NAME, &listeners.price_updater, "internal")?;
    add_row(db_proxy::App::NAME, &listeners.db_proxy, "internal")?;
    if let Some(listener) = &listeners.exchange_sim {
        add_row(exchange_sim::App::NAME, listener, "SIMULATED exchanges")?;
    }
    Ok(table)
}

fn price_note(args: &UpArgs) -> &'static str {
    if args.demo {
        "Prices are SIMULATED: they come from exchanges in this process and have no value. Ctrl-C stops all services."
    } else {
        "Prices come from real exchanges. Orders are refused while no exchange responds. Ctrl-C stops all services."
    }
}

/// Prints a message when orders can be placed, or after [`READY_TIMEOUT`] that they cannot be placed yet.
async fn announce_readiness(readiness: Option<ReadinessCheck>) {
    let Some(readiness) = readiness else { return };
    let becomes_ready = async {
        while !readiness().await.iter().all(|component| component.ready) {
            tokio::time::sleep(READY_POLL_INTERVAL).await;
        }
    };
    match tokio::time::timeout(READY_TIMEOUT, becomes_ready).await {
        Ok(()) => println!("Ready. Try, in another terminal: buydesk order place --currency EUR --amount 69"),
        Err(_) => println!("Not ready yet; still trying. `buydesk health` shows what is missing."),
    }
}
