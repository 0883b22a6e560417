//! Why a source returned no price.

use std::time::Duration;

/// Maximum length of a quoted external text, in characters.
const MAX_QUOTED: usize = 200;

/// Why a source returned no price. The message is shown after the name of the source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("did not answer in time")]
    Timeout,
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("rejected the request because of its rate limit")]
    RateLimited {
        /// How long the source asks to wait, if it specifies a time.
        retry_after: Option<Duration>,
    },
    /// The rate limiter permits no request. Contains the time until it permits one.
    #[error("receives no request for another {} s because of its rate limit", .0.as_secs())]
    Paused(Duration),
    #[error("answered with status {0}")]
    Status(u16),
    /// The source sent an error message.
    #[error("refused the request: {0}")]
    Refused(String),
    #[error("does not list this pair")]
    UnknownPair,
    #[error("sent a response that cannot be parsed: {0}")]
    InvalidResponse(String),
    #[error("reported an implausible price: {0}")]
    Implausible(String),
    /// Contains the time of the price.
    #[error("reported a price of {0}, which is too old")]
    Stale(common::time::Timestamp),
}

impl SourceError {
    /// `cause` can contain texts of the source, such as the names in its certificate.
    pub(crate) fn unreachable(cause: &str) -> Self {
        Self::Unreachable(quoted(cause))
    }

    /// The source sent `message` instead of a price.
    pub(crate) fn refused(message: &str) -> Self {
        Self::Refused(quoted(message))
    }

    pub(crate) fn invalid_response(cause: impl std::fmt::Display) -> Self {
        Self::InvalidResponse(quoted(&cause.to_string()))
    }

    pub(crate) fn implausible(cause: impl std::fmt::Display) -> Self {
        Self::Implausible(quoted(&cause.to_string()))
    }

    /// The kind of the error in metrics and in the API.
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

/// The first [`MAX_QUOTED`] characters of an external text, with control characters replaced by spaces.
fn quoted(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUOTED).collect()
}

#[cfg(test)]
mod tests;
