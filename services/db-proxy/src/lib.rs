//! db-proxy: the only service that writes the database. It stores orders, quotes, idempotency keys, the history of
//! courses, users with their API keys, and wallets with their journal.
//!
//! Each aggregate (orders, courses, users, wallets) has a folder with its routes, its policy (pure decisions) and its
//! store (one module per engine). To add an aggregate, write its folder and its migrations, and add it to [`Routes`]
//! and [`build_routes`].

mod background;
mod client_key;
pub mod clock_check;
mod config;
pub mod courses;
pub mod database;
mod documentation;
mod error;
pub mod group_commit;
pub mod maintenance;
pub mod orders;
mod preparation;
pub mod retention;
pub mod users;
mod uuid_v7;
pub mod wallets;

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::bail;
use common::{
    api::health::Component,
    config::{Caller, Env, LiveSetting},
    metrics::Metrics,
    process, reporting,
    server::{Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::{ApplySettings, Service, Task, TaskSupervisor},
    telemetry,
    time::Clock,
};
use tokio_util::sync::CancellationToken;

pub use self::config::{
    Config, Migrations, ReplacedSetting, database_url, declare_simulated, names_file_of_real_orders,
};
use self::{
    background::BackgroundTasks,
    clock_check::{ClockCheck, ClockFault, ClockRules},
    config::LiveValues,
    courses::CourseRoutes,
    database::{Database, DatabaseError, DatabaseStatistics, DurabilityStatus, FileLock, pool_metrics, shown_url},
    group_commit::WriteHealth,
    orders::OrderRoutes,
    preparation::Preparation,
    users::UserRoutes,
    wallets::WalletRoutes,
};

/// How long `--migrate` waits for a database that is unavailable. A running migration has no time limit.
const MIGRATE_TIMEOUT: Duration = Duration::from_secs(60);

/// The routes of every aggregate.
type Routes = (OrderRoutes, CourseRoutes, UserRoutes, WalletRoutes);

fn build_routes(
    config: &Config,
    database: &Database,
    clock_check: &ClockCheck,
    metrics: &Metrics,
    health: &WritersHealth,
    tasks: &mut BackgroundTasks,
) -> Routes {
    (
        orders::build(database, config.orders.clone(), clock_check, metrics, &health.orders, tasks),
        courses::build(database, config.courses.clone(), clock_check, tasks),
        users::build(database, clock_check),
        wallets::build(database, config.orders.key_retention, clock_check, metrics, &health.wallets, tasks),
    )
}

/// The health of each writer.
#[derive(Default)]
struct WritersHealth {
    orders: WriteHealth,
    wallets: WriteHealth,
}

/// The running service.
pub struct App {
    server: Server,
    database: Database,
    ready: ReadinessCheck,
    live: Arc<LiveValues>,
    /// A preparation that is not complete when the server starts. It is repeated while the server runs.
    late_preparation: Option<Preparation>,
    /// Prevents other db-proxies from using the same SQLite file. `None` on PostgreSQL.
    file_lock: Option<FileLock>,
    tasks: BackgroundTasks,
}

impl Service for App {
    const NAME: &'static str = "db-proxy";
    const PORT: u16 = 8010;
    const CALLER: Caller = Caller::DB_PROXY;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] = config::LIVE_SETTINGS;

    fn configure(env: &mut Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let live = Arc::new(LiveValues::of(&config));
        let database = Database::open(config.database_url.expose()).await?.with_durability(config.durability);
        let file_lock = match &database {
            Database::Sqlite(database) => Some(database.lock().await?),
            // Several db-proxies can share a PostgreSQL database.
            Database::Postgres(_) => None,
        };
        let preparation = Preparation { migrations: config.migrations, origin: config.origin };
        let prepared = match preparation.run_at_start(&database).await {
            Ok(prepared) => prepared,
            // This error already contains the URL.
            Err(error @ DatabaseError::LoginRefused(_)) => bail!("{error}"),
            Err(error) => bail!("{}: {}", shown_url(config.database_url.expose()), error.chain()),
        };
        let metrics = Metrics::new(Self::NAME);
        let mut tasks = BackgroundTasks::default();
        let rules = ClockRules { database_has_clock: database.has_clock(), max_order_ahead: config.max_order_ahead };
        let clock_check = ClockCheck::new(Clock::System, rules);
        clock_check.register(&metrics);
        pool_metrics::register(&metrics, &database);
        let health = WritersHealth::default();
        let routes = build_routes(&config, &database, &clock_check, &metrics, &health, &mut tasks);
        let durability = match &database {
            Database::Postgres(database) => {
                let status = DurabilityStatus::default();
                status.register(&metrics);
                tasks.add_until_stopped("durability check", status.clone().keep_current(database.clone()));
                Some(status)
            }
            // An SQLite file is always as durable as declared.
            Database::Sqlite(_) => None,
        };
        let statistics = DatabaseStatistics::default();
        tasks.add_until_stopped(
            "statistics of the database",
            statistics.clone().keep_current(database.clone(), config.slow_after.clone()),
        );
        let ready = readiness_check(health, durability, clock_check, statistics);
        let ops = OpsEndpoints {
            service: Self::NAME,
            description: documentation::description(),
            metrics: metrics.clone(),
            ready: ready.clone(),
            accepted_callers: Some(config.accepted_callers),
            access: None,
            rate_limit: RateLimit::default(),
            value_check: None,
        };
        let server = Server::new(listener, service_endpoint(routes, ops)).with_metrics(&metrics);
        let late_preparation = (!prepared).then_some(preparation);
        Ok(Self { server, database, ready, live, late_preparation, file_lock, tasks })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    fn readiness(&self) -> ReadinessCheck {
        self.ready.clone()
    }

    fn live_settings(&self) -> ApplySettings<Config> {
        let live = self.live.clone();
        Arc::new(move |config| live.apply(&config))
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { server, database, late_preparation, file_lock, tasks, .. } = self;
        // Cancelled with `stop`, and also if the preparation fails.
        let ending = stop.child_token();
        // The server does not wait for migrations. Until they are applied, requests fail as if the database were
        // unavailable.
        let preparation = async {
            let Some(preparation) = late_preparation else { return Ok(()) };
            let result = tokio::select! {
                result = preparation.run_until_done(&database, None) => result,
                () = ending.cancelled() => Ok(()),
            };
            if result.is_err() {
                ending.cancel();
            }
            result
        };
        let mut supervisor = TaskSupervisor::default();
        tasks.start(&ending, &mut supervisor);
        // When the server ends, it drops the last handle of each writer. The writer then answers the waiting commands,
        // and its task ends.
        let serve = supervisor.run(server.run_until(ending.clone()), &ending);
        let (served, prepared) = tokio::join!(serve, preparation);
        database.close().await;
        drop(file_lock);
        prepared.map_err(|error| anyhow::anyhow!(error.chain())).and(served)
    }

    fn openapi() -> String {
        openapi_document::<Routes>(Self::NAME, &documentation::description())
    }
}

/// The `main` function of the binary. With `--migrate`, the process applies the migrations and exits; otherwise the
/// service runs.
pub fn main() -> ExitCode {
    let run = || {
        process::run(App::NAME, async {
            let result = migrate(&mut Env::from_process()?).await;
            telemetry::flush();
            result?;
            println!("All migrations are applied.");
            Ok(())
        })
    };
    let help = "Apply the migrations of the database and end";
    common::service::main_with::<App>(Some(Task { flag: "migrate", help, run }))
}

/// Applies the missing migrations to the configured database. While the database is unavailable, retries until
/// [`MIGRATE_TIMEOUT`] has passed. The settings may name a different database role than the settings of the service.
async fn migrate(env: &mut Env) -> anyhow::Result<()> {
    let telemetry = telemetry::Config::from_env(env);
    let database_url = config::database_url(env);
    env.finish()?;
    // Warnings are only logged: no report sender runs, so no report is sent to health-check.
    telemetry::init(&telemetry, App::NAME, reporting::warning_sink(reporting::report_queue(App::NAME).queue()))?;
    let database = Database::open(database_url.expose()).await?;
    let preparation = Preparation { migrations: Migrations::Apply, origin: None };
    let result = preparation.run_until_done(&database, Some(MIGRATE_TIMEOUT)).await;
    database.close().await;
    result.map_err(|error| {
        let cause = anyhow::anyhow!(error.chain());
        if error.is_transient() && !matches!(error, DatabaseError::LoginRefused(_)) {
            cause.context(format!("the migrations were not applied within {} s", MIGRATE_TIMEOUT.as_secs()))
        } else {
            cause
        }
    })
}

/// Ready means that orders can be placed: the last commit or probe of their writer succeeded, commits are as durable as
/// declared, and the clock is right.
///
/// The component `journal` reports whether the last commit or probe of the writer of wallets succeeded. It is optional,
/// because orders can be placed without it. If both writers have the same fault, only the component `database`
/// describes it.
fn readiness_check(
    health: WritersHealth,
    durability: Option<DurabilityStatus>,
    clock_check: ClockCheck,
    statistics: DatabaseStatistics,
) -> ReadinessCheck {
    Arc::new(move || {
        let component = |name, health: &WriteHealth| {
            Component::of_check(name, health.check()).with_measurements([health.waiting_commands()])
        };
        let database = component("database", &health.orders).with_measurements(statistics.latest());
        // Until the database answers for the first time, nothing is known about its clock and its settings. The
        // component `database` reports the cause.
        let has_answered = database.ready || clock_check.fault() != Some(ClockFault::Unchecked);
        let clock = has_answered.then(|| clock_check.component());
        let durability = durability.as_ref().filter(|_| has_answered).map(DurabilityStatus::component);
        let journal = has_answered.then(|| {
            let journal = component("journal", &health.wallets).optional();
            let has_same_fault = journal.detail.is_some() && journal.detail == database.detail;
            let shared = has_same_fault.then(|| "same fault as the component database".to_owned());
            Component { detail: shared.or(journal.detail), ..journal }
        });
        let components = std::iter::once(database).chain(clock).chain(durability).chain(journal).collect();
        Box::pin(async { components })
    })
}
