//! The settings of exchange-sim.

use common::{
    config::{Env, Secret},
    time::{Clock, Timestamp},
};

use crate::{
    exchanges::NAMES,
    faults::{self, TimedFault, Timeline},
};

/// The settings of exchange-sim.
#[derive(Debug, Clone)]
pub struct Config {
    pub internal_token: Secret,
    /// The same seed at the same time gives the same prices.
    pub seed: u64,
    /// Faults that come at their time; the first second is when the service is built.
    pub timeline: Vec<TimedFault>,
    /// Whether exchanges refuse who calls more often than the real ones permit.
    pub limits: bool,
    /// Where the exchanges read the time.
    pub clock: Clock,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none, required | what callers of `/admin/…` send |
    /// | `SIM_SEED` | 1 | what the prices are drawn from |
    /// | `SIM_TIMELINE` | none | a JSON file of faults and when they come |
    /// | `SIM_RATE_LIMITS` | `true` | whether who calls too often is refused even where no fault does |
    pub fn read(env: &mut Env) -> Self {
        Self {
            internal_token: env.secret("INTERNAL_TOKEN"),
            seed: env.whole_number("SIM_SEED", 1, 0..=u64::MAX),
            timeline: timeline(env),
            limits: env.parse("SIM_RATE_LIMITS", true, "true or false"),
            clock: Clock::System,
        }
    }
}

fn timeline(env: &mut Env) -> Vec<TimedFault> {
    const NAME: &str = "SIM_TIMELINE";
    let Some(path) = env.text(NAME).map(str::to_owned) else { return Vec::new() };
    let read = std::fs::read(&path).map_err(|error| format!("the file must be readable: {error}"));
    let read = read.and_then(|json| parse(&json));
    read.unwrap_or_else(|wrong| {
        env.add_error(NAME, Some(path), &wrong);
        Vec::new()
    })
}

/// Reads a list of faults, or an object that has it as `timeline`, and checks every one.
fn parse(json: &[u8]) -> Result<Vec<TimedFault>, String> {
    let list = json.trim_ascii_start().starts_with(b"[");
    let read = if list {
        serde_json::from_slice(json).map(|timeline| Timeline { timeline })
    } else {
        serde_json::from_slice(json)
    };
    let Timeline { timeline } = read.map_err(|error| format!("the file must be a JSON list of faults: {error}"))?;
    match faults::resolve_timeline(&timeline, NAMES, Timestamp::now()) {
        Ok(_) => Ok(timeline),
        Err((index, error)) => Err(format!("in fault {index} (from 0), {} {error}", error.field)),
    }
}

#[cfg(test)]
mod tests;
