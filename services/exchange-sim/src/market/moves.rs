//! Moves of the whole market: every exchange and index follows them, as in a real crash.

use std::sync::{PoisonError, RwLock};

use common::time::Timestamp;
use poem_openapi::Object;
use serde::Serialize;

/// A factor of one, in millionths.
const ONE: i128 = 1_000_000;

/// A past, running or future move of the market. The prices of coins, but not of USDT, move evenly and then stay at the new
/// level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object, Serialize)]
pub(crate) struct MarketMoveInfo {
    pub(crate) since: Timestamp,
    /// When the new level is reached.
    pub(crate) until: Timestamp,
    pub(crate) change_percent: i64,
}

impl MarketMoveInfo {
    /// The factor of prices at `time`, in millionths.
    fn factor(&self, time: Timestamp) -> i128 {
        let [elapsed, length] = [time.min(self.until).since(self.since), self.until.since(self.since)]
            .map(|duration| i128::try_from(duration.as_micros()).unwrap_or(i128::MAX));
        ONE + i128::from(self.change_percent) * (ONE / 100) * elapsed / length.max(1)
    }
}

/// The moves of the market, past and future.
#[derive(Debug, Default)]
pub(crate) struct MarketMoves(RwLock<Vec<MarketMoveInfo>>);

impl MarketMoves {
    /// Replaces the moves that have not started at `now`. Moves that have started stay, so that prices do not jump
    /// back.
    pub(crate) fn replace(&self, moves: Vec<MarketMoveInfo>, now: Timestamp) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        current.retain(|started| started.since < now);
        current.extend(moves);
    }

    pub(crate) fn all(&self) -> Vec<MarketMoveInfo> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `value` multiplied by the factors of all moves at `time`.
    pub(super) fn apply(&self, value: i128, time: Timestamp) -> i128 {
        let moves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        moves.iter().fold(value, |value, market_move| value * market_move.factor(time) / ONE)
    }
}

#[cfg(test)]
mod tests;
