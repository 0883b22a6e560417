//! The settings of health-check.

use common::config::{Env, Secret, shared};

/// The settings of health-check.
#[derive(Debug, Clone)]
pub struct Config {
    /// The token that reporting services send.
    pub internal_token: Secret,
    /// The token of operators. Needed only if the service listens beyond loopback.
    pub operator_token: Option<Secret>,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none, required | token for calls between services |
    /// | `OPERATOR_TOKEN` | none | token of operators, who see reports and host names if the service listens beyond loopback |
    pub fn from_env(env: &mut Env) -> Self {
        Self { internal_token: shared::internal_token(env), operator_token: shared::operator_token(env) }
    }
}
