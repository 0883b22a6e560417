//! Moves of the whole market in a timeline.

use std::time::Duration;

use common::{
    api::{FieldError, MAX_FIELD_ERRORS},
    time::Timestamp,
};
use poem_openapi::Object;
use serde::Deserialize;

use super::{DEFAULT_SECONDS, MAX_SECONDS, check_range, timeline::MAX_AT_SECONDS};
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

/// Checks the moves of a timeline that starts at `start`, and computes their start and end. The error names the wrong
/// fields.
pub(crate) fn resolve_moves(moves: &[MarketMove], start: Timestamp) -> Result<Vec<MarketMoveInfo>, Vec<FieldError>> {
    let errors = check_moves(moves);
    if !errors.is_empty() {
        return Err(errors);
    }
    let resolve = |planned: &MarketMove| {
        let since = start.plus(Duration::from_secs(planned.at_seconds));
        let until = since.plus(Duration::from_secs(planned.seconds.unwrap_or(DEFAULT_SECONDS)));
        MarketMoveInfo { since, until, change_percent: planned.change_percent }
    };
    Ok(moves.iter().map(resolve).collect())
}

/// The errors of the moves of a timeline, at most [`MAX_FIELD_ERRORS`].
pub(super) fn check_moves(moves: &[MarketMove]) -> Vec<FieldError> {
    if moves.len() > MAX_MOVES {
        let reason = format!("must have at most {MAX_MOVES} moves, but has {}", moves.len());
        return vec![FieldError::new("market", reason)];
    }
    let check = |(index, planned): (usize, &MarketMove)| {
        let path = format!("market[{index}].");
        [
            check_range(&path, "at_seconds", Some(planned.at_seconds), 0..=MAX_AT_SECONDS),
            check_range(&path, "seconds", planned.seconds, 1..=MAX_SECONDS),
            check_range(&path, "change_percent", Some(planned.change_percent), -99..=900),
        ]
    };
    moves.iter().enumerate().flat_map(check).flatten().take(MAX_FIELD_ERRORS).collect()
}

#[cfg(test)]
mod tests;
