//! Moves of the whole market in a timeline.

use std::time::Duration;

use common::time::Timestamp;
use poem_openapi::Object;
use serde::Deserialize;

use super::{
    DEFAULT_SECONDS, FaultError, MAX_SECONDS, check_range,
    timeline::{MAX_AT_SECONDS, TimelineError},
};
use crate::market::moves::MarketMoveInfo;

/// Largest number of moves in one timeline.
const MAX_MOVES: usize = 1_000;

/// A move of the market. The prices of coins, but not of USDT, move evenly and then stay at the new level.
#[derive(Debug, Clone, PartialEq, Eq, Object, Deserialize)]
#[serde(deny_unknown_fields)]
#[oai(deny_unknown_fields)]
pub struct MarketMove {
    /// The start in seconds after the start of the timeline, at most one year.
    #[oai(validator(maximum(value = "31536000")))]
    pub at_seconds: u64,
    /// How long the move takes, 1 to 86400. The default is 60.
    #[serde(default)]
    #[oai(validator(minimum(value = "1"), maximum(value = "86400")))]
    pub seconds: Option<u64>,
    /// The change in percent, -99 to 900.
    #[oai(validator(minimum(value = "-99"), maximum(value = "900")))]
    pub change_percent: i64,
}

/// Checks the moves of a timeline that starts at `start`.
pub(crate) fn resolve_moves(moves: &[MarketMove], start: Timestamp) -> Result<Vec<MarketMoveInfo>, TimelineError> {
    if moves.len() > MAX_MOVES {
        let reason = format!("must have at most {MAX_MOVES} moves, but has {}", moves.len());
        return Err(TimelineError::in_market(MAX_MOVES, FaultError::new("market", reason)));
    }
    let resolve = |planned: &MarketMove| {
        let seconds = planned.seconds.unwrap_or(DEFAULT_SECONDS);
        check_range("at_seconds", Some(planned.at_seconds), 0..=MAX_AT_SECONDS)?;
        check_range("seconds", Some(seconds), 1..=MAX_SECONDS)?;
        check_range("change_percent", Some(planned.change_percent), -99..=900)?;
        let since = start.plus(Duration::from_secs(planned.at_seconds));
        let until = since.plus(Duration::from_secs(seconds));
        Ok(MarketMoveInfo { since, until, change_percent: planned.change_percent })
    };
    let resolve = |(index, planned)| resolve(planned).map_err(|error| TimelineError::in_market(index, error));
    moves.iter().enumerate().map(resolve).collect()
}

#[cfg(test)]
mod tests;
