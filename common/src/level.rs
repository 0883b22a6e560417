//! The five levels of log records and reports.

use std::{fmt, str::FromStr};

use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

use crate::spelling::{Alias, must_be_one_of_or_alias};

/// The usual short form of `warning`.
const WARN: Alias = Alias { text: "warn", name: "warning" };

/// The severity of a log record or a report, ordered from the most to the least severe.
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

/// Text that is not a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", must_be_one_of_or_alias(.0, Level::ALL, WARN))]
pub struct LevelError(String);

impl Level {
    pub const ALL: [Self; 5] = [Self::Critical, Self::Error, Self::Warning, Self::Info, Self::Debug];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    /// Parses a level in any case. `warn` is accepted as `warning`.
    fn from_str(text: &str) -> Result<Self, LevelError> {
        let name = text.to_ascii_lowercase();
        let name = if name == WARN.text { WARN.name } else { &name };
        Self::ALL.into_iter().find(|level| level.as_str() == name).ok_or_else(|| LevelError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
