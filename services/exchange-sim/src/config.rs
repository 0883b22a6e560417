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
            seed: env.whole("SIM_SEED", 1, 0..=u64::MAX),
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
        env.fault(NAME, Some(path), &wrong);
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
    match faults::timed(&timeline, NAMES, Timestamp::now()) {
        Ok(_) => Ok(timeline),
        Err((index, error)) => Err(format!("in fault {index} (from 0), {} {error}", error.field)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, json).unwrap();
        let path = file.path().to_str().unwrap();
        let mut env = Env::from_pairs([("INTERNAL_TOKEN", "a token of the tests"), ("SIM_TIMELINE", path)]);
        let config = Config::read(&mut env);
        env.finish().map(|()| config.timeline.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_timeline_is_read_from_a_file_and_what_is_wrong_with_it_is_named() {
        let one = r#"{"exchange":"kraken","at_seconds":5,"seconds":10,"fault":"lie_factor","factor":"1.2"}"#;
        assert_eq!(read(&format!("[{one},{one}]")), Ok(2));
        assert_eq!(read(&format!(r#"{{"timeline":[{one}]}}"#)), Ok(1));
        for (json, named) in [
            ("", "JSON"),
            (r#"[{"exchange":"kraken","fault":"down"}]"#, "at_seconds"),
            (r#"[{"exchange":"mtgox","at_seconds":1,"fault":"down"}]"#, "fault 0 (from 0), exchange"),
            (r#"[{"exchange":"kraken","at_seconds":1,"fault":"sulky"}]"#, "sulky"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains("SIM_TIMELINE") && error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let mut env = Env::from_pairs([("INTERNAL_TOKEN", "a token of the tests"), ("SIM_TIMELINE", "/no/such/file")]);
        Config::read(&mut env);
        assert!(env.finish().unwrap_err().to_string().contains("/no/such/file"));
    }
}
