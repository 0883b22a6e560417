//! Why a connection ended.

use super::{connection::ConnectionError, protocol::TICKER_TIMEOUT};
use crate::sources::SourceError;

/// Why a connection ended or was not established.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DisconnectReason {
    #[error(transparent)]
    ConnectFailed(ConnectionError),
    #[error(transparent)]
    ConnectionBroken(ConnectionError),
    #[error("was closed by the exchange")]
    ClosedByExchange,
    #[error("received no message in time")]
    MessageTimeout,
    #[error("received no price for {} s", TICKER_TIMEOUT.as_secs())]
    TickerTimeout,
    #[error("lost a message")]
    MessageLost,
    #[error(transparent)]
    InvalidMessage(SourceError),
    #[error(transparent)]
    TradingHalted(SourceError),
    #[error("is about to be closed by the exchange")]
    ShutdownAnnounced,
    #[error("reached the maximum age of a connection")]
    MaxAgeReached,
    #[error("was idle")]
    Idle,
}

impl DisconnectReason {
    /// Whether the connection ended without a failure. After an expected end, the next connection can follow
    /// immediately.
    pub(super) fn is_expected(&self) -> bool {
        match self {
            Self::ShutdownAnnounced | Self::MaxAgeReached | Self::Idle => true,
            Self::ConnectFailed(_)
            | Self::ConnectionBroken(_)
            | Self::ClosedByExchange
            | Self::MessageTimeout
            | Self::TickerTimeout
            | Self::MessageLost
            | Self::InvalidMessage(_)
            | Self::TradingHalted(_) => false,
        }
    }

    /// The value of the metric label `kind`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::ConnectFailed(_) => "not_made",
            Self::ConnectionBroken(_) => "broken",
            Self::ClosedByExchange => "cut",
            Self::MessageTimeout => "silent",
            Self::TickerTimeout => "quiet",
            Self::MessageLost => "missed",
            Self::InvalidMessage(_) => "garbled",
            Self::TradingHalted(_) => "closed",
            Self::ShutdownAnnounced => "going_away",
            Self::MaxAgeReached => "old",
            Self::Idle => "unasked",
        }
    }
}
