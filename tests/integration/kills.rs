//! Everything on the way of an order is killed again and again while clients order; afterwards no promise is broken, and the
//! limit is full. `tests/load/kills` does the same for longer.

use tests::{Stack, kills, on_both};

on_both!(every_promise_is_kept_through_any_crash);

const KILLS: usize = 20;
const SEED: u64 = 1;

async fn every_promise_is_kept_through_any_crash(stack: Stack) {
    let mut postgres = kills::server(stack).await;
    let report = kills::run(stack, postgres.as_mut(), KILLS, SEED).await;
    assert!(report.violations.is_empty(), "{} violations:\n{}", report.violations.len(), report.tell());
    assert!(report.acknowledged > KILLS && report.open > 0, "nothing was hit: {}", report.summary());
    eprintln!("{}", report.summary());
}
