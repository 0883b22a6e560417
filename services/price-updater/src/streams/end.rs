//! Why a connection ended.

use super::{feed, wire::WireError};
use crate::sources::SourceError;

/// Why a connection ended, or was never made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum End {
    #[error(transparent)]
    NotMade(WireError),
    #[error(transparent)]
    Broken(WireError),
    #[error("was closed by the exchange")]
    Cut,
    #[error("was silent for too long")]
    Silent,
    #[error("told no price for {} s", feed::QUIET.as_secs())]
    Quiet,
    #[error("left something out")]
    Missed,
    #[error(transparent)]
    InvalidResponse(SourceError),
    /// The exchange does not trade.
    #[error(transparent)]
    Closed(SourceError),
    #[error("is about to be closed, as the exchange says")]
    GoingAway,
    #[error("is nearly as old as the exchange permits")]
    Old,
    #[error("is not asked by anybody")]
    Unasked,
}

impl End {
    pub(super) fn closed(why: &str) -> Self {
        Self::Closed(SourceError::refused(why))
    }

    /// Whether nothing is wrong: the next connection may be made at once.
    pub(super) fn is_expected(&self) -> bool {
        match self {
            Self::GoingAway | Self::Old | Self::Unasked => true,
            Self::NotMade(_)
            | Self::Broken(_)
            | Self::Cut
            | Self::Silent
            | Self::Quiet
            | Self::Missed
            | Self::InvalidResponse(_)
            | Self::Closed(_) => false,
        }
    }

    /// For metrics: one of a fixed set of words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::NotMade(_) => "not_made",
            Self::Broken(_) => "broken",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::Quiet => "quiet",
            Self::Missed => "missed",
            Self::InvalidResponse(_) => "garbled",
            Self::Closed(_) => "closed",
            Self::GoingAway => "going_away",
            Self::Old => "old",
            Self::Unasked => "unasked",
        }
    }
}
