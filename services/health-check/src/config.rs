//! The settings of health-check.

use common::config::{Env, Secret, shared};

/// The settings of health-check.
#[derive(Debug, Clone)]
pub struct Config {
    /// The token that reporting services send.
    pub internal_token: Secret,
}

impl Config {
    /// Reads `INTERNAL_TOKEN`, which is required. Errors are collected in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        Self { internal_token: shared::internal_token(env) }
    }
}
