//! Checks that the checker of a history detects the bugs that a simulated service contains.

use std::{fmt::Debug, ops::Range};

const SEEDS: Range<u64> = 0..10;

/// Asserts that the checker reports the expected violation with every seed. `violations` runs the simulation with a
/// seed, and returns the violations that the checker reports.
#[track_caller]
pub(crate) fn assert_detected_with_every_seed<V: Debug>(
    bug: impl Debug,
    violations: impl Fn(u64) -> Vec<V>,
    is_expected: impl Fn(&V) -> bool,
) {
    for seed in SEEDS {
        let found = violations(seed);
        assert!(found.iter().any(&is_expected), "{bug:?}, seed {seed}: {found:#?}");
    }
}
