//! `buydesk up`: every service in this process, each on its own port, wired to each other.

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
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::cli::Up;

/// Longest time for all services to end after Ctrl-C.
const STOP_TIMEOUT: Duration = Duration::from_secs(9);
/// How long the start waits for the first price before it says that there is none yet.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
const READY_PAUSE: Duration = Duration::from_millis(100);

/// Every service's listener. All are bound before any service starts, so that each can be told where the others are.
struct Listeners {
    create_order: TcpListener,
    fetch_orders: TcpListener,
    price_cache: TcpListener,
    price_updater: TcpListener,
    db_proxy: TcpListener,
    health_check: TcpListener,
    rates: TcpListener,
    exchange_sim: Option<TcpListener>,
}

/// A service under way.
struct Running {
    name: &'static str,
    task: JoinHandle<anyhow::Result<()>>,
    alive: JoinHandle<()>,
    stop: CancellationToken,
    ready: ReadinessCheck,
}

/// Runs until Ctrl-C, or until a service fails.
pub async fn run(mut env: Env, options: &Up) -> anyhow::Result<()> {
    env.set_default("INTERNAL_TOKEN", Secret::random().expose());
    if options.demo {
        env.set("SIMULATED", "true");
    }
    let logs = telemetry::Config::from_env(&mut env);
    check(&mut env)?;
    let receiver = reporting::report_queue("buydesk");
    telemetry::init(&logs, "buydesk", reporting::warning_sink(receiver.queue()))?;
    let stop = shutdown::on_signal()?;
    let listeners = Listeners::bind(&mut env, options.demo).await?;
    wire(&mut env, &listeners)?;
    let table = table(&listeners)?;
    let reporting = reporting::Config::from_env(&mut env);
    let sender = receiver.queue();
    let reported = CancellationToken::new();
    let mut running = start_all(&mut env, listeners, reporting.alive_interval, &sender).await?;
    let reports = tokio::spawn(reporting::send_reports(reporting, receiver, reported.clone()));

    println!("{table}\n{}", notes(options));
    let greeting = tokio::spawn(greet(running.last().map(|create_order| create_order.ready.clone())));
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        (result, at, _) = select_all(running.iter_mut().map(|service| &mut service.task)) => {
            Err(ended_early(running.remove(at).name, result))
        }
    };
    greeting.abort();
    println!("Stopping: what was accepted is being finished.");
    let all = async {
        // Last started, first ended: whoever takes requests ends before what it needs does.
        for Running { name, task, alive, stop, .. } in running.into_iter().rev() {
            stop.cancel();
            if let Err(error) = flatten(task.await).and(Ok(alive.await?)) {
                tracing::error!(service = name, error = %format!("{error:#}"), "the service did not end well");
            }
        }
        reported.cancel();
        reports.await.context("the reporter failed")
    };
    tokio::time::timeout(STOP_TIMEOUT, all)
        .await
        .with_context(|| format!("not every service ended within {} s", STOP_TIMEOUT.as_secs()))??;
    println!("Stopped.");
    ended
}

fn flatten(result: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Result<()> {
    result.context("the service panicked")?
}

fn ended_early(name: &str, result: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match flatten(result) {
        Ok(()) => anyhow::anyhow!("{name} ended by itself"),
        Err(error) => error.context(format!("{name} failed")),
    }
}

/// Reads every service's settings, so that all faults are told at once and before anything is bound.
fn check(env: &mut Env) -> anyhow::Result<()> {
    fn read<S: Service>(env: &mut Env) {
        Bind::from_env(env, S::NAME, S::PORT);
        S::configure(env);
    }
    read::<create_order::App>(env);
    read::<fetch_orders::App>(env);
    read::<price_cache_proxy::App>(env);
    read::<price_updater::App>(env);
    read::<db_proxy::App>(env);
    read::<health_check::App>(env);
    read::<rates::App>(env);
    read::<exchange_sim::App>(env);
    reporting::Config::from_env(env);
    Ok(env.finish()?)
}

impl Listeners {
    async fn bind(env: &mut Env, demo: bool) -> anyhow::Result<Self> {
        async fn listen<S: Service>(env: &mut Env) -> anyhow::Result<TcpListener> {
            let at = Bind::from_env(env, S::NAME, S::PORT);
            bind(S::NAME, at).await
        }
        Ok(Self {
            create_order: listen::<create_order::App>(env).await?,
            fetch_orders: listen::<fetch_orders::App>(env).await?,
            price_cache: listen::<price_cache_proxy::App>(env).await?,
            price_updater: listen::<price_updater::App>(env).await?,
            db_proxy: listen::<db_proxy::App>(env).await?,
            health_check: listen::<health_check::App>(env).await?,
            rates: listen::<rates::App>(env).await?,
            exchange_sim: if demo { Some(listen::<exchange_sim::App>(env).await?) } else { None },
        })
    }
}

/// Tells every service where the others are, whatever ports they got.
fn wire(env: &mut Env, listeners: &Listeners) -> anyhow::Result<()> {
    let mut set = |name: &str, listener: &TcpListener, path: &str| -> anyhow::Result<()> {
        env.set(name, format!("http://{}{path}", connect_address(listener.local_addr()?)));
        Ok(())
    };
    set("DB_PROXY_URL", &listeners.db_proxy, "")?;
    set("PRICE_CACHE_URL", &listeners.price_cache, "")?;
    set("HEALTH_CHECK_URL", &listeners.health_check, "")?;
    if let Some(exchanges) = &listeners.exchange_sim {
        for (name, variable) in price_updater::url_variables() {
            set(variable, exchanges, &format!("/{name}"))?;
        }
        let address = connect_address(exchanges.local_addr()?);
        for (name, variable) in price_updater::websocket_variables() {
            env.set(variable, format!("ws://{address}/{name}/ws"));
        }
    }
    let orders = format!("http://{}", connect_address(listeners.fetch_orders.local_addr()?));
    env.set_default("ORDERS_URL", orders);
    Ok(())
}

/// Starts what is needed before what needs it.
async fn start_all(
    env: &mut Env,
    listeners: Listeners,
    interval: Duration,
    sender: &ReportQueue,
) -> anyhow::Result<Vec<Running>> {
    let mut running = Vec::new();
    if let Some(listener) = listeners.exchange_sim {
        running.push(start::<exchange_sim::App>(env, listener, interval, sender).await?);
    }
    running.push(start::<health_check::App>(env, listeners.health_check, interval, sender).await?);
    running.push(start::<db_proxy::App>(env, listeners.db_proxy, interval, sender).await?);
    running.push(start::<price_cache_proxy::App>(env, listeners.price_cache, interval, sender).await?);
    running.push(start::<price_updater::App>(env, listeners.price_updater, interval, sender).await?);
    running.push(start::<rates::App>(env, listeners.rates, interval, sender).await?);
    running.push(start::<fetch_orders::App>(env, listeners.fetch_orders, interval, sender).await?);
    running.push(start::<create_order::App>(env, listeners.create_order, interval, sender).await?);
    Ok(running)
}

async fn start<S: Service + 'static>(
    env: &mut Env,
    listener: TcpListener,
    interval: Duration,
    sender: &ReportQueue,
) -> anyhow::Result<Running> {
    let config = S::configure(env);
    env.finish()?;
    let service = S::build(config, listener).await.with_context(|| format!("{} cannot start", S::NAME))?;
    let (ready, stop) = (service.readiness(), CancellationToken::new());
    let alive =
        tokio::spawn(reporting::send_heartbeats(S::NAME, ready.clone(), interval, sender.clone(), stop.clone()));
    // Names the service in what it logs outside of any request.
    let span = tracing::info_span!("service", service = S::NAME);
    let task = tokio::spawn(service.run_until(stop.clone()).instrument(span));
    Ok(Running { name: S::NAME, task, alive, stop, ready })
}

fn table(listeners: &Listeners) -> anyhow::Result<Table> {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["service", "address", "documentation", "for"]);
    let services = [
        (create_order::App::NAME, Some(&listeners.create_order), "placing orders"),
        (fetch_orders::App::NAME, Some(&listeners.fetch_orders), "finding orders"),
        (rates::App::NAME, Some(&listeners.rates), "courses, prices, charts"),
        (health_check::App::NAME, Some(&listeners.health_check), "operators: a status page"),
        (price_cache_proxy::App::NAME, Some(&listeners.price_cache), "the current price"),
        (price_updater::App::NAME, Some(&listeners.price_updater), "internal"),
        (db_proxy::App::NAME, Some(&listeners.db_proxy), "internal"),
        (exchange_sim::App::NAME, listeners.exchange_sim.as_ref(), "SIMULATED exchanges"),
    ];
    for (name, listener, purpose) in services {
        if let Some(listener) = listener {
            let address = format!("http://{}", connect_address(listener.local_addr()?));
            table.add_row([name, &address, &format!("{address}/docs"), purpose]);
        }
    }
    Ok(table)
}

fn notes(options: &Up) -> &'static str {
    if options.demo {
        "Prices are SIMULATED: they come from exchanges in this process and are worth nothing. Ctrl-C ends everything."
    } else {
        "Prices come from real exchanges; while none answers, orders are refused. Ctrl-C ends everything."
    }
}

/// Says when the first order can be placed, or that it cannot yet.
async fn greet(ready: Option<ReadinessCheck>) {
    let Some(ready) = ready else { return };
    let becomes_ready = async {
        while !ready().await.iter().all(|part| part.ready) {
            tokio::time::sleep(READY_PAUSE).await;
        }
    };
    match tokio::time::timeout(READY_TIMEOUT, becomes_ready).await {
        Ok(()) => println!("Ready. Try, in another terminal: buydesk order place --currency EUR --amount 69"),
        Err(_) => println!("Not ready yet, and trying on; `buydesk health` tells what is missing."),
    }
}
