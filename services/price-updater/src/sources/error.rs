//! Why a source gave no price.

use std::time::Duration;

/// Longest text of a source that is shown or logged, in characters.
const MAX_QUOTED: usize = 200;

/// Why a source gave no price. Texts are bounded, for some of them come from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("gave no answer in time")]
    Timeout,
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("wants fewer requests")]
    RateLimited {
        /// How long it wants to be left alone, where it said so.
        retry_after: Option<Duration>,
    },
    #[error("is left alone for {} s more, as it asked for", .0.as_secs())]
    Paused(Duration),
    #[error("answered with status {0}")]
    Status(u16),
    /// It said itself that there is no answer.
    #[error("refused: {0}")]
    Refused(String),
    #[error("does not know this pair")]
    UnknownPair,
    #[error("gave an answer that cannot be read: {0}")]
    InvalidResponse(String),
    #[error("gave a price that cannot be right: {0}")]
    Implausible(String),
    #[error("told its last trade too long ago, at {0}")]
    Stale(common::time::Timestamp),
}

impl SourceError {
    /// It said itself that there is no answer, in these words.
    pub(crate) fn refused(text: &str) -> Self {
        Self::Refused(quoted(text))
    }

    pub(crate) fn invalid_response(why: impl std::fmt::Display) -> Self {
        Self::InvalidResponse(quoted(&why.to_string()))
    }

    /// The kind of the error, for metrics and programs: one of a fixed set of words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::RateLimited { .. } => "rate_limited",
            Self::Paused(_) => "paused",
            Self::Status(_) => "status",
            Self::Refused(_) => "refused",
            Self::UnknownPair => "unknown_pair",
            Self::InvalidResponse(_) => "garbled",
            Self::Implausible(_) => "implausible",
            Self::Stale(_) => "stale",
        }
    }
}

/// The beginning of a text from outside, with no control characters in it.
fn quoted(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTED).collect()
}

#[cfg(test)]
mod tests;
