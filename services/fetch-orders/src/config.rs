//! The settings of fetch-orders.

use common::config::{Env, Secret, shared};
use url::Url;

/// The settings of fetch-orders.
#[derive(Debug, Clone)]
pub struct Config {
    pub db_proxy: Url,
    pub internal_token: Secret,
}

impl Config {
    /// Reads the variables `DB_PROXY_URL` and `INTERNAL_TOKEN`. Errors are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Self { db_proxy: shared::db_proxy_url(env), internal_token: shared::internal_token(env) }
    }
}
