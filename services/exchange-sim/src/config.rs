//! The settings of exchange-sim.

use std::path::Path;

use common::{
    api::Problem,
    config::{AcceptedCallers, Caller, Env, shared},
    io_errors::describe_file_error,
    server::UncheckedBody,
    time::Clock,
};
use serde::de::IgnoredAny;

use crate::{
    exchanges::NAMES,
    faults::{MarketMove, TimedFault, Timeline},
};

/// The settings of exchange-sim.
#[derive(Debug, Clone)]
pub struct Config {
    /// The callers that may use `/admin/…`. `None` if no key is configured: no caller may use it.
    pub accepted_callers: Option<AcceptedCallers>,
    /// The seed of the prices. Without faults and moves of the market, prices depend only on the seed and the time.
    pub seed: u64,
    /// Scheduled faults. Their times count from the start of the service.
    pub timeline: Vec<TimedFault>,
    /// Scheduled moves of the market. Their times count from the start of the service.
    pub market: Vec<MarketMove>,
    /// Whether the exchanges refuse calls above their rate limits. Faults can refuse calls even if this is false.
    pub enforce_rate_limits: bool,
    /// The clock of all exchanges.
    pub clock: Clock,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `SERVER_KEY` | derived from `INTERNAL_TOKEN` | the key from which the tokens for `/admin/…` are derived; without a key, no caller may use `/admin/…` |
    /// | `SIM_SEED` | 1 | the seed of the prices |
    /// | `SIM_TIMELINE` | none | a JSON file of scheduled faults and moves of the market |
    /// | `SIM_RATE_LIMITS` | `true` | whether exchanges refuse calls above their limits |
    pub fn from_env(env: &mut Env) -> Self {
        let Timeline { timeline, market } = read_timeline(env);
        Self {
            accepted_callers: shared::optional_accepted_callers(env, Caller::EXCHANGE_SIM.as_str()),
            seed: env.whole_number("SIM_SEED", 1, 0..=u64::MAX),
            timeline,
            market,
            enforce_rate_limits: env.parse("SIM_RATE_LIMITS", true, "true or false"),
            clock: Clock::System,
        }
    }
}

fn read_timeline(env: &mut Env) -> Timeline {
    const NAME: &str = "SIM_TIMELINE";
    let Some(path) = env.text(NAME).map(str::to_owned) else { return Timeline::default() };
    let json = std::fs::read(&path).map_err(|error| {
        let reason = describe_file_error(Path::new(&path), &error);
        format!("the file cannot be read: {reason}; create it, or set {NAME} to another file or to nothing")
    });
    json.and_then(|json| parse_timeline(&json)).unwrap_or_else(|reason| {
        env.add_fault(NAME, Some(path), reason);
        Timeline::default()
    })
}

/// Parses and checks a list of faults, or an object with such a list as `timeline` and a list of moves as `market`. The error names
/// every wrong field.
fn parse_timeline(json: &[u8]) -> Result<Timeline, String> {
    if let Err(error) = serde_json::from_slice::<IgnoredAny>(json) {
        return Err(format!(
            "the file must be JSON, but has an error at line {}, column {}",
            error.line(),
            error.column()
        ));
    }
    let is_list = json.trim_ascii_start().starts_with(b"[");
    let wrapped = [&b"{\"timeline\":"[..], json, b"}"].concat();
    let timeline: UncheckedBody<Timeline> = UncheckedBody::parse(if is_list { &wrapped } else { json });
    let timeline = timeline.or_problem_with(|timeline, known| timeline.check(NAMES, known));
    let errors = match timeline {
        Ok(timeline) => {
            let errors = timeline.check(NAMES, &[]);
            if errors.is_empty() {
                return Ok(timeline);
            }
            Problem::validation(errors)
        }
        Err(problem) => problem,
    };
    Err(format!(
        "the file must be a JSON list of faults, or an object with the lists timeline and market; {}",
        errors.detail
    ))
}

#[cfg(test)]
mod tests;
