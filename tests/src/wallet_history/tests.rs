//! The checker detects each planted bug, and reports nothing for a correct service.

mod orders;
mod simulated_wallets;

use std::time::Duration;

use common::api::Code;

use self::simulated_wallets::{PlantedBug, SimulatedWallets};
use super::{EntryTimes, MoveOutcome, Orders, WalletViolation as V, check_wallets};
use crate::planted_bugs::assert_detected_with_every_seed;

const DAY: Duration = Duration::from_hours(24);

fn violations(bug: PlantedBug, seed: u64) -> Vec<V> {
    let (history, stored) = SimulatedWallets::run(bug, seed);
    check_wallets(&history, &stored, Orders::default(), EntryTimes::Comparable)
}

/// Asserts that the checker reports the expected violation with every seed.
#[track_caller]
fn assert_detected(bug: PlantedBug, is_expected: impl Fn(&V) -> bool) {
    assert_detected_with_every_seed(bug, |seed| violations(bug, seed), is_expected);
}

#[test]
fn correct_service_has_no_violation() {
    for seed in 0..50 {
        let found = violations(PlantedBug::None, seed);
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

#[test]
fn correct_service_whose_clock_is_wrong_has_no_violation() {
    for seed in 0..50 {
        let (mut history, stored) = SimulatedWallets::run(PlantedBug::None, seed);
        // The clocks of the clients are a day behind the clock of the service.
        for attempt in &mut history.attempts {
            (attempt.start, attempt.end) = (attempt.start.minus(DAY), attempt.end.minus(DAY));
        }
        for read in &mut history.reads {
            (read.start, read.end) = (read.start.minus(DAY), read.end.minus(DAY));
        }
        let found = check_wallets(&history, &stored, Orders::default(), EntryTimes::Wrong);
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

#[test]
fn simulation_covers_movements_replays_and_denials() {
    let (history, stored) = SimulatedWallets::run(PlantedBug::None, 0);
    for kind in ["deposit", "withdrawal", "transfer"] {
        assert!(stored.movements.values().any(|movement| movement.kind == kind), "{kind}");
    }
    let occurs = |is: fn(&MoveOutcome) -> bool| history.attempts.iter().any(|attempt| is(&attempt.outcome));
    assert!(occurs(|outcome| matches!(outcome, MoveOutcome::Moved { replayed: true, .. })));
    assert!(occurs(|outcome| matches!(outcome, MoveOutcome::NoResponse)));
    for code in
        [Code::InsufficientFunds, Code::KeyReused, Code::NotFound, Code::ValidationFailed, Code::UpstreamUnavailable]
    {
        assert!(history.attempts.iter().any(|attempt| attempt.outcome.denial() == Some(code)), "{code}");
    }
    assert!(!history.reads.is_empty());
}

#[test]
fn detects_lost_entry() {
    assert_detected(PlantedBug::LostEntry, |violation| matches!(violation, V::NotBalanced { .. }));
    assert_detected(PlantedBug::LostEntry, |violation| {
        matches!(violation, V::NumberGap { .. } | V::WrongEntryCount { .. })
    });
}

#[test]
fn detects_doubled_deposit() {
    assert_detected(PlantedBug::DoubledDeposit, |violation| matches!(violation, V::DuplicateMovement { .. }));
}

#[test]
fn detects_acknowledgement_before_commit() {
    assert_detected(PlantedBug::AcknowledgedBeforeCommit, |violation| matches!(violation, V::MovementMissing { .. }));
}

#[test]
fn detects_transfer_that_adds_no_money() {
    assert_detected(PlantedBug::HalfTransfer, |violation| matches!(violation, V::NotBalanced { .. }));
    assert_detected(PlantedBug::HalfTransfer, |violation| matches!(violation, V::MovementDiffers { .. }));
}

#[test]
fn detects_transfer_that_takes_the_money_from_the_outside_world() {
    let is_wrong = |violation: &V| matches!(violation, V::WrongEntries { kind, .. } if kind == "transfer");
    assert_detected(PlantedBug::TransferFromOutside, is_wrong);
}

#[test]
fn detects_lost_key() {
    assert_detected(PlantedBug::LostKey, |violation| matches!(violation, V::DuplicateMovement { .. }));
}

#[test]
fn detects_changed_replay() {
    assert_detected(PlantedBug::RecomputedReplay, |violation| matches!(violation, V::ReplayDiffers { .. }));
    assert_detected(
        PlantedBug::RecomputedReplay,
        |violation| matches!(violation, V::MovementDiffers { field, .. } if field == "body"),
    );
}

#[test]
fn detects_movement_acknowledged_twice_as_new() {
    assert_detected(PlantedBug::ReplayReportedAsNew, |violation| matches!(violation, V::MovedTwice { .. }));
}

#[test]
fn detects_denial_of_a_movement() {
    assert_detected(PlantedBug::DeniedAfterMoving, |violation| matches!(violation, V::DeniedButMoved { .. }));
}

#[test]
fn detects_false_refusal() {
    assert_detected(PlantedBug::FalseRefusal, |violation| matches!(violation, V::FalseRefusal { .. }));
}

#[test]
fn detects_negative_balance() {
    assert_detected(PlantedBug::NegativeBalance, |violation| matches!(violation, V::NegativeBalance { .. }));
}

#[test]
fn detects_balance_that_is_not_the_sum_of_its_entries() {
    assert_detected(PlantedBug::BalanceNotUpdated, |violation| {
        matches!(violation, V::WrongBalance { .. } | V::WrongBalanceAfter { .. })
    });
    assert_detected(PlantedBug::EntryChanged, |violation| matches!(violation, V::WrongBalanceAfter { .. }));
    assert_detected(PlantedBug::EntryChanged, |violation| matches!(violation, V::NotBalanced { .. }));
}

#[test]
fn detects_change_of_a_wallet_of_another_owner() {
    assert_detected(PlantedBug::ChangesWalletOfAnother, |violation| matches!(violation, V::NotTheOwner { .. }));
}

#[test]
fn detects_balance_that_the_wallet_never_had() {
    assert_detected(PlantedBug::WrongRead, |violation| matches!(violation, V::BalanceNeverHeld { .. }));
}

#[test]
fn detects_incomplete_statement() {
    assert_detected(PlantedBug::OperationNotListed, |violation| matches!(violation, V::StatementDiffers { .. }));
}

#[test]
fn detects_failed_verification() {
    assert_detected(PlantedBug::VerificationFails, |violation| matches!(violation, V::VerificationDiffers { .. }));
}

#[test]
fn detects_unexpected_response() {
    assert_detected(PlantedBug::InternalError, |violation| {
        matches!(violation, V::UnexpectedResponse { status: 500, .. })
    });
}
