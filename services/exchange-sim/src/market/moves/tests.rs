use std::time::Duration;

use super::*;

fn time_at(seconds: u64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap().plus(Duration::from_secs(seconds))
}

/// A fall of 30 % within a minute, which starts at `second`.
fn crash(second: u64) -> MarketMoveInfo {
    MarketMoveInfo { since: time_at(second), until: time_at(second + 60), change_percent: -30 }
}

#[test]
fn prices_move_evenly_and_stay_at_the_new_level() {
    let moves = MarketMoves::default();
    moves.replace(vec![crash(10)], time_at(0));
    let at = |seconds| moves.apply(100_000, time_at(seconds));
    assert_eq!([0, 10, 25, 40, 70, 10_000].map(at), [100_000, 100_000, 92_500, 85_000, 70_000, 70_000]);
    // `replace` removes only the moves that have not started.
    moves.replace(vec![crash(100)], time_at(100));
    assert_eq!([100, 160].map(|seconds| moves.apply(100_000, time_at(seconds))), [70_000, 49_000]);
    moves.replace(Vec::new(), time_at(50));
    assert_eq!(moves.apply(100_000, time_at(200)), 70_000);
}
