//! The settings of fetch-orders.

use common::config::{Env, Secret};
use url::Url;

/// The settings of fetch-orders.
#[derive(Debug, Clone)]
pub struct Config {
    pub db_proxy: Url,
    pub internal_token: Secret,
}

impl Config {
    /// Reads the variables `DB_PROXY_URL` and `INTERNAL_TOKEN`. Faults are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            db_proxy: env.url("DB_PROXY_URL", "http://127.0.0.1:8010"),
            internal_token: env.secret("INTERNAL_TOKEN"),
        }
    }
}
