//! The settings of db-proxy.

use std::time::Duration;

use common::{
    config::{Env, Secret, shared},
    money::Sats,
};

use crate::{courses::retention::Retention, store::ALLOWED_URLS};

/// Where orders are kept when nothing is said.
const DEFAULT_DATABASE: &str = "sqlite:database/data/buydesk.db";

/// Keys are remembered for a day at least: a client that lost its connection over night still finds its order.
const DAY: u64 = 24 * 60 * 60;

#[derive(Debug, Clone)]
pub struct Config {
    /// May hold a password: never printed as it is.
    pub database_url: Secret,
    pub internal_token: Secret,
    /// What all orders together may come to.
    pub limit: Sats,
    /// How long a key is remembered after its order.
    pub keep_keys: Duration,
    /// How long courses are kept, and how fine.
    pub keep_courses: Retention,
}

impl Config {
    pub fn read(env: &mut Env) -> Self {
        let understood =
            |url: &str| ["postgres://", "postgresql://", "sqlite:"].iter().any(|start| url.starts_with(start));
        let database_url = match env.text("DATABASE_URL").map(str::to_owned) {
            Some(url) if !understood(&url) => {
                env.add_error("DATABASE_URL", Some(common::config::redact_password(&url)), ALLOWED_URLS);
                url
            }
            Some(url) => url,
            None => DEFAULT_DATABASE.to_owned(),
        };
        let default_limit = Sats::new(100 * 100_000_000).expect("100 bitcoin are fewer than there are");
        Self {
            database_url: Secret::new(database_url),
            internal_token: shared::internal_token(env),
            limit: env.parse("BTC_LIMIT", default_limit, "an amount of bitcoin, such as 100, with at most 8 decimals"),
            keep_keys: env.seconds("IDEMPOTENCY_KEEP_SECS", DAY, DAY..=366 * DAY),
            keep_courses: Retention::read(env),
        }
    }
}
