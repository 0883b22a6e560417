//! The settings of db-proxy.

use common::{
    config::{Env, Secret, shared},
    money::Sats,
};

use crate::{
    courses::CourseRetentionSettings,
    database::{ALLOWED_URLS, is_allowed_url},
    orders::OrderSettings,
};

const DEFAULT_DATABASE: &str = "sqlite:database/data/buydesk.db";
const DEFAULT_LIMIT_SATS: i64 = 100 * 100_000_000;
/// An idempotency key is kept for at least a day. A client that lost its connection overnight can then still find its order.
const MIN_KEY_RETENTION_SECS: u64 = DAY_SECS;
const DAY_SECS: u64 = 24 * 60 * 60;

#[derive(Debug, Clone)]
pub struct Config {
    /// May contain a password.
    pub database_url: Secret,
    pub internal_token: Secret,
    pub orders: OrderSettings,
    pub courses: CourseRetentionSettings,
}

impl Config {
    pub fn from_env(env: &mut Env) -> Self {
        let database_url = env.text("DATABASE_URL").unwrap_or(DEFAULT_DATABASE).to_owned();
        if !is_allowed_url(&database_url) {
            env.add_error("DATABASE_URL", Some(common::config::redact_password(&database_url)), ALLOWED_URLS);
        }
        let default_limit = Sats::new(DEFAULT_LIMIT_SATS).expect("100 bitcoin is below the supply");
        let limit = env.parse("BTC_LIMIT", default_limit, "an amount of bitcoin, such as 100, with at most 8 decimals");
        let key_retention = env.seconds("IDEMPOTENCY_KEEP_SECS", DAY_SECS, MIN_KEY_RETENTION_SECS..=366 * DAY_SECS);
        Self {
            database_url: Secret::new(database_url),
            internal_token: shared::internal_token(env),
            orders: OrderSettings { limit, key_retention },
            courses: CourseRetentionSettings::from_env(env),
        }
    }
}
