//! The settings of exchange-sim.

use common::config::{Env, Secret};

/// The settings of exchange-sim.
#[derive(Debug, Clone)]
pub struct Config {
    pub internal_token: Secret,
    /// The same seed at the same time gives the same prices.
    pub seed: u64,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none, required | what callers of `/admin/faults` send |
    /// | `SIM_SEED` | 1 | what the prices are drawn from |
    pub fn read(env: &mut Env) -> Self {
        Self { internal_token: env.secret("INTERNAL_TOKEN"), seed: env.whole("SIM_SEED", 1, 0..=u64::MAX) }
    }
}
