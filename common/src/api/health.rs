//! Reports and health: what every service tells health-check, and what health-check shows.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How bad it is; ordered from worst to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[oai(rename_all = "lowercase")]
pub enum Level {
    Critical,
    Error,
    Warning,
    Info,
    Debug,
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Object, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct Report {
    pub level: Level,
    /// The name of the service, such as `create-order`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub service: String,
    /// What happened, in a word or a sentence: `alive`, `started`, `stopping`, or the message of a log line.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub status: String,
    /// Whatever belongs to it, by name.
    #[serde(default)]
    pub data: Value,
}

/// One outside part that a service needs, such as its database.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub ready: bool,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub detail: Option<String>,
}

impl Part {
    pub fn ready(name: impl Into<String>) -> Self {
        Self { name: name.into(), ready: true, detail: None }
    }

    pub fn missing(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ready: false, detail: Some(detail.into()) }
    }
}

/// Whether a service can do its work, and what it lacks if not.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    pub parts: Vec<Part>,
}

impl From<Vec<Part>> for Readiness {
    fn from(parts: Vec<Part>) -> Self {
        Self { ready: parts.iter().all(|part| part.ready), parts }
    }
}
