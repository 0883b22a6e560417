//! The checker finds each planted bug, and nothing where there is none.

mod order_simulator;

use common::money::Sats;

use self::order_simulator::{Bug, Desk, LIMIT};
use super::{Violation as V, check};

const SEEDS: std::ops::Range<u64> = 0..10;

fn violations(bug: Bug, seed: u64) -> Vec<V> {
    let (record, kept) = Desk::run(bug, seed);
    check(&record, &kept, Sats::new(LIMIT).unwrap())
}

/// With every seed the bug is found, and called by its name.
#[track_caller]
fn assert_detected(bug: Bug, is_it: impl Fn(&V) -> bool) {
    for seed in SEEDS {
        let found = violations(bug, seed);
        assert!(found.iter().any(&is_it), "{bug:?}, seed {seed}: {found:#?}");
    }
}

#[test]
fn correct_service_has_no_violation() {
    for seed in 0..50 {
        let found = violations(Bug::None, seed);
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

#[test]
fn simulation_covers_every_checked_outcome() {
    let (record, kept) = Desk::run(Bug::None, 0);
    assert!(kept.orders.iter().any(|order| order.quote.is_some()));
    for state in ["taken", "expired"] {
        assert!(kept.quotes.iter().any(|quote| quote.state == state), "{state}");
    }
    let outcome = |is: fn(&super::Outcome) -> bool| record.attempts.iter().any(|attempt| is(&attempt.outcome));
    assert!(outcome(|outcome| matches!(outcome, super::Outcome::Placed { replayed: true, .. })));
    assert!(outcome(|outcome| matches!(outcome, super::Outcome::NoResponse)));
    for code in ["limit_exceeded", "idempotency_key_reused", "quote_taken", "upstream_unavailable"] {
        let denied = record.attempts.iter().filter_map(|attempt| attempt.outcome.denial());
        assert!(denied.into_iter().any(|denial| denial.as_str() == code), "{code}");
    }
}

#[test]
fn detects_lost_key() {
    assert_detected(Bug::KeyLost, |violation| matches!(violation, V::DuplicateOrder { .. }));
}

#[test]
fn detects_acknowledgement_before_commit() {
    assert_detected(Bug::EarlyAnswer, |violation| matches!(violation, V::OrderMissing { .. }));
}

#[test]
fn detects_limit_off_by_one() {
    assert_detected(Bug::LimitTooLow, |violation| *violation == V::LimitNotFilled { left: 1 });
    let one_too_many = |violation: &V| matches!(violation, V::LimitExceeded { sum, .. } if *sum == LIMIT + 1);
    assert_detected(Bug::LimitTooHigh, one_too_many);
}

#[test]
fn detects_retry_without_key() {
    assert_detected(Bug::RetryWithoutKey, |violation| matches!(violation, V::OrderNotRequested { .. }));
}

#[test]
fn detects_changed_replay() {
    assert_detected(Bug::AnswerMadeAnew, |violation| matches!(violation, V::ReplayDiffers { .. }));
    assert_detected(
        Bug::AnswerMadeAnew,
        |violation| matches!(violation, V::OrderDiffers { field, .. } if field == "price_as_of"),
    );
}

#[test]
fn detects_sequence_gap() {
    assert_detected(Bug::GapInNumbers, |violation| matches!(violation, V::SequenceGap { .. }));
}

#[test]
fn detects_denial_of_a_placed_order() {
    assert_detected(Bug::Denied, |violation| matches!(violation, V::DeniedButPlaced { .. }));
}

#[test]
fn detects_wrong_total() {
    assert_detected(Bug::SumNotUpdated, |violation| matches!(violation, V::WrongSum { .. }));
}

#[test]
fn detects_time_going_backwards() {
    assert_detected(Bug::ClockGoesBack, |violation| matches!(violation, V::TimeNotIncreasing { .. }));
}

#[test]
fn detects_quote_taken_twice() {
    assert_detected(Bug::QuoteTakenTwice, |violation| matches!(violation, V::QuoteTakenTwice { .. }));
}

#[test]
fn detects_unreleased_reservation() {
    assert_detected(Bug::ReserveKept, |violation| matches!(violation, V::ReservationNotReleased { .. }));
}

#[test]
fn detects_changed_order() {
    assert_detected(Bug::WrittenOtherwise, |violation| matches!(violation, V::OrderDiffers { .. }));
}

#[test]
fn detects_order_created_twice() {
    assert_detected(Bug::NewTwice, |violation| matches!(violation, V::CreatedTwice { .. }));
}

#[test]
fn detects_false_refusal() {
    assert_detected(Bug::KeyReusedWithoutReason, |violation| matches!(violation, V::FalseRefusal { .. }));
}

#[test]
fn detects_unexpected_response() {
    assert_detected(Bug::InternalError, |violation| matches!(violation, V::UnexpectedResponse { status: 500, .. }));
}
