//! The settings of db-proxy.

mod simulated;

use std::time::Duration;

use common::{
    api::orders::OrderOrigin,
    config::{AcceptedCallers, Caller, Env, Live, LiveSetting, Secret, shared},
    money::Sats,
    time::MAX_CLOCK_SKEW,
};

use crate::{
    courses::CourseRetentionSettings,
    database::{Durability, check_url, shown_url},
    orders::{OrderSettings, QuoteCaps},
};

pub use self::simulated::{ReplacedSetting, declare_simulated, names_file_of_real_orders};

const DEFAULT_DATABASE: &str = "sqlite:database/data/buydesk.db";
/// The default for simulated orders. A database never contains both simulated and real orders.
const DEFAULT_SIMULATED_DATABASE: &str = "sqlite:database/data/demo.db";
const DEFAULT_LIMIT_SATS: i64 = 100 * 100_000_000;
/// A client that lost its connection overnight must be able to find its order by the idempotency key.
const MIN_KEY_RETENTION_SECS: u64 = DAY_SECS;
const DAY_SECS: u64 = 24 * 60 * 60;
/// Maximum of the setting `MAX_ORDER_AHEAD_SECS`. An operator raises the setting if orders were accepted when a clock
/// was ahead.
const MAX_ORDER_AHEAD_SECS: u64 = 366 * DAY_SECS;

/// Which process applies the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrations {
    /// This process, when it starts.
    Apply,
    /// `db-proxy --migrate`, as a database role that owns the tables. This process is not ready until the migrations
    /// are applied.
    Check,
}

#[derive(Debug, Clone)]
pub struct Config {
    /// May contain a password.
    pub database_url: Secret,
    /// Whether the orders of the database are simulated or real. `None` if the settings do not declare it.
    pub origin: Option<OrderOrigin>,
    pub migrations: Migrations,
    /// Which failure of the database an acknowledged order survives.
    pub durability: Durability,
    pub accepted_callers: AcceptedCallers,
    pub orders: OrderSettings,
    pub courses: Live<CourseRetentionSettings>,
    /// How far the newest order may be in the future.
    pub max_order_ahead: Duration,
    /// A statement of PostgreSQL that runs longer counts as slow.
    pub slow_after: Live<Duration>,
}

impl Config {
    pub fn from_env(env: &mut Env) -> Self {
        let database_url = database_url(env);
        let migrations = env.parse_with("DATABASE_MIGRATIONS", "apply or check", |text| match text {
            "apply" => Some(Migrations::Apply),
            "check" => Some(Migrations::Check),
            _ => None,
        });
        let durability = env.parse("DURABILITY", Durability::default(), "local or remote");
        if durability == Durability::Remote && database_url.expose().starts_with("sqlite:") {
            env.add_error("DURABILITY", durability.to_string(), "local, because an SQLite file has no standby");
        }
        let default_limit = Sats::new(DEFAULT_LIMIT_SATS).expect("100 bitcoin is below the supply");
        let limit = env.parse("BTC_LIMIT", default_limit, "an amount of bitcoin, such as 100, with at most 8 decimals");
        let limit_is_set = env.text("BTC_LIMIT").is_some();
        let quote_caps = Live::new(quote_caps(env));
        let key_retention = env.seconds("IDEMPOTENCY_KEEP_SECS", DAY_SECS, MIN_KEY_RETENTION_SECS..=366 * DAY_SECS);
        let skew = MAX_CLOCK_SKEW.as_secs();
        Self {
            database_url,
            origin: shared::simulated(env).map(OrderOrigin::of),
            migrations: migrations.unwrap_or(Migrations::Apply),
            accepted_callers: shared::accepted_callers(env, Caller::DB_PROXY.as_str()),
            durability,
            orders: OrderSettings { limit, limit_is_set, quote_caps, key_retention },
            courses: Live::new(CourseRetentionSettings::from_env(env)),
            max_order_ahead: env.seconds("MAX_ORDER_AHEAD_SECS", skew, skew..=MAX_ORDER_AHEAD_SECS),
            slow_after: Live::new(env.seconds("SLOW_STATEMENT_SECS", 5, 1..=3600)),
        }
    }
}

/// The settings that [`LiveValues::apply`] changes.
pub(crate) const LIVE_SETTINGS: &[LiveSetting] = &[
    LiveSetting::new("COURSE_DAY_DAYS"),
    LiveSetting::new("COURSE_HOUR_DAYS"),
    LiveSetting::new("COURSE_MINUTE_DAYS"),
    LiveSetting::new("COURSE_RAW_DAYS"),
    LiveSetting::with_computed_default("QUOTE_MAX_BTC"),
    LiveSetting::with_computed_default("QUOTE_MAX_BTC_PER_CLIENT"),
    LiveSetting::with_computed_default("QUOTE_MAX_BTC_TOTAL"),
    LiveSetting::new("SLOW_STATEMENT_SECS"),
];

/// The values of the settings that can change while the service runs.
pub(crate) struct LiveValues {
    courses: Live<CourseRetentionSettings>,
    slow_after: Live<Duration>,
    quote_caps: Live<QuoteCaps>,
}

impl LiveValues {
    pub(crate) fn of(config: &Config) -> Self {
        let Config { courses, slow_after, orders, .. } = config;
        Self { courses: courses.clone(), slow_after: slow_after.clone(), quote_caps: orders.quote_caps.clone() }
    }

    pub(crate) fn apply(&self, config: &Config) {
        self.courses.set(config.courses.get());
        self.slow_after.set(config.slow_after.get());
        self.quote_caps.set(config.orders.quote_caps.get());
    }
}

/// `DATABASE_URL`. Its default depends on `SIMULATED`. Simulated orders never go to the default file of real orders.
pub fn database_url(env: &mut Env) -> Secret {
    let is_simulated = shared::simulated(env) == Some(true);
    let default = if is_simulated { DEFAULT_SIMULATED_DATABASE } else { DEFAULT_DATABASE };
    let database_url = env.text("DATABASE_URL").unwrap_or(default).to_owned();
    if let Err(reason) = check_url(&database_url) {
        env.add_fault("DATABASE_URL", Some(shown_url(&database_url)), reason);
    } else if is_simulated && names_file_of_real_orders(&database_url) {
        let rule = if database_url == DEFAULT_SIMULATED_DATABASE {
            "this file is a link to the file of real orders, and the orders are simulated; remove the link, or name another database"
                .to_owned()
        } else {
            format!(
                "it is the file of real orders, and SIMULATED=true declares simulated orders; remove DATABASE_URL, so that they go \
                 to {DEFAULT_SIMULATED_DATABASE}, or name another database"
            )
        };
        env.add_fault("DATABASE_URL", Some(shown_url(&database_url)), rule);
    }
    Secret::new(database_url)
}

fn quote_caps(env: &mut Env) -> QuoteCaps {
    let mut cap = |name| {
        env.parse_with(name, "an amount of bitcoin, such as 10, with at most 8 decimals", |text| text.parse().ok())
    };
    QuoteCaps {
        quote: cap("QUOTE_MAX_BTC"),
        client: cap("QUOTE_MAX_BTC_PER_CLIENT"),
        all_quotes: cap("QUOTE_MAX_BTC_TOTAL"),
    }
}

#[cfg(test)]
mod tests;
