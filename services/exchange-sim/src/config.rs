//! The settings of exchange-sim.

use common::{
    config::{AcceptedCallers, Caller, Env, shared},
    time::{Clock, Timestamp},
};

use crate::{
    exchanges::NAMES,
    faults::{TimedFault, Timeline, resolve_timeline},
};

/// The settings of exchange-sim.
#[derive(Debug, Clone)]
pub struct Config {
    /// Callers of `/admin/…`. `None` if no setting names a key: then nobody may use it.
    pub accepted_callers: Option<AcceptedCallers>,
    /// Prices depend only on the seed and the time.
    pub seed: u64,
    /// Scheduled faults. Their times count from the start of the service.
    pub timeline: Vec<TimedFault>,
    /// Whether the exchanges refuse calls above their limits. Faults refuse calls regardless of this setting.
    pub enforce_call_limits: bool,
    /// The clock of all exchanges.
    pub clock: Clock,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `SERVER_KEY` | derived from `INTERNAL_TOKEN` | the key of the tokens for `/admin/…`, which is closed without one |
    /// | `SIM_SEED` | 1 | the seed of the prices |
    /// | `SIM_TIMELINE` | none | a JSON file of scheduled faults |
    /// | `SIM_RATE_LIMITS` | `true` | whether exchanges refuse calls above their limits |
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            accepted_callers: shared::optional_accepted_callers(env, Caller::EXCHANGE_SIM.as_str()),
            seed: env.whole_number("SIM_SEED", 1, 0..=u64::MAX),
            timeline: read_timeline(env),
            enforce_call_limits: env.parse("SIM_RATE_LIMITS", true, "true or false"),
            clock: Clock::System,
        }
    }
}

fn read_timeline(env: &mut Env) -> Vec<TimedFault> {
    const NAME: &str = "SIM_TIMELINE";
    let Some(path) = env.text(NAME).map(str::to_owned) else { return Vec::new() };
    let json = std::fs::read(&path).map_err(|error| format!("the file must be readable: {error}"));
    json.and_then(|json| parse_timeline(&json)).unwrap_or_else(|allowed| {
        env.add_error(NAME, Some(path), &allowed);
        Vec::new()
    })
}

/// Parses and checks a list of faults, or an object with such a list as `timeline`.
fn parse_timeline(json: &[u8]) -> Result<Vec<TimedFault>, String> {
    let is_list = json.trim_ascii_start().starts_with(b"[");
    let parsed = if is_list {
        serde_json::from_slice(json).map(|timeline| Timeline { timeline })
    } else {
        serde_json::from_slice(json)
    };
    let Timeline { timeline } = parsed.map_err(|error| format!("the file must be a JSON list of faults: {error}"))?;
    // The times are checked here and resolved again when the service starts.
    resolve_timeline(&timeline, NAMES, Timestamp::now()).map_err(|error| error.to_string())?;
    Ok(timeline)
}

#[cfg(test)]
mod tests;
