//! The settings of health-check.

use common::config::{Env, Secret};

/// The settings of health-check.
#[derive(Debug, Clone)]
pub struct Config {
    pub internal_token: Secret,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none, required | what internal callers send |
    pub fn read(env: &mut Env) -> Self {
        Self { internal_token: env.secret("INTERNAL_TOKEN") }
    }
}
