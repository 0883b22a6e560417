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
fn is_found(bug: Bug, is_it: impl Fn(&V) -> bool) {
    for seed in SEEDS {
        let found = violations(bug, seed);
        assert!(found.iter().any(&is_it), "{bug:?}, seed {seed}: {found:#?}");
    }
}

#[test]
fn an_honest_desk_breaks_no_promise() {
    for seed in 0..50 {
        let found = violations(Bug::None, seed);
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
    }
}

#[test]
fn the_fake_does_all_that_can_be_checked() {
    let (record, kept) = Desk::run(Bug::None, 0);
    assert!(kept.orders.iter().any(|order| order.quote.is_some()));
    for state in ["taken", "expired"] {
        assert!(kept.quotes.iter().any(|quote| quote.state == state), "{state}");
    }
    let told = |is: fn(&super::Told) -> bool| record.attempts.iter().any(|attempt| is(&attempt.told));
    assert!(told(|told| matches!(told, super::Told::Placed { replayed: true, .. })));
    assert!(told(|told| matches!(told, super::Told::Nothing)));
    for code in ["limit_exceeded", "idempotency_key_reused", "quote_taken", "upstream_unavailable"] {
        let denied = record.attempts.iter().filter_map(|attempt| attempt.told.denial());
        assert!(denied.into_iter().any(|denial| denial.as_str() == code), "{code}");
    }
}

#[test]
fn a_key_that_is_lost() {
    is_found(Bug::KeyLost, |violation| matches!(violation, V::TwoOrders { .. }));
}

#[test]
fn an_answer_before_the_commit() {
    is_found(Bug::EarlyAnswer, |violation| matches!(violation, V::Missing { .. }));
}

#[test]
fn a_limit_that_is_off_by_one() {
    is_found(Bug::LimitTooLow, |violation| *violation == V::NotFilled { left: 1 });
    let one_too_many = |violation: &V| matches!(violation, V::AboveLimit { sum, .. } if *sum == LIMIT + 1);
    is_found(Bug::LimitTooHigh, one_too_many);
}

#[test]
fn a_retry_without_the_key() {
    is_found(Bug::RetryWithoutKey, |violation| matches!(violation, V::Unasked { .. }));
}

#[test]
fn an_answer_that_differs_when_it_is_repeated() {
    is_found(Bug::AnswerMadeAnew, |violation| matches!(violation, V::OtherBytes { .. }));
    is_found(Bug::AnswerMadeAnew, |violation| matches!(violation, V::Differs { field, .. } if field == "price_as_of"));
}

#[test]
fn a_number_that_is_missing() {
    is_found(Bug::GapInNumbers, |violation| matches!(violation, V::Gap { .. }));
}

#[test]
fn a_refusal_of_an_order_that_is_there() {
    is_found(Bug::Denied, |violation| matches!(violation, V::Denied { .. }));
}

#[test]
fn totals_that_are_not_the_sum() {
    is_found(Bug::SumNotUpdated, |violation| matches!(violation, V::Sum { .. }));
}

#[test]
fn a_clock_that_goes_back() {
    is_found(Bug::ClockGoesBack, |violation| matches!(violation, V::NotLater { .. }));
}

#[test]
fn a_quote_that_is_taken_twice() {
    is_found(Bug::QuoteTakenTwice, |violation| matches!(violation, V::QuoteTwice { .. }));
}

#[test]
fn what_a_quote_held_and_did_not_give_back() {
    is_found(Bug::ReserveKept, |violation| matches!(violation, V::StillReserved { .. }));
}

#[test]
fn an_order_that_is_written_otherwise_than_told() {
    is_found(Bug::WrittenOtherwise, |violation| matches!(violation, V::Differs { .. }));
}

#[test]
fn an_order_that_is_new_twice() {
    is_found(Bug::NewTwice, |violation| matches!(violation, V::NewTwice { .. }));
}

#[test]
fn a_refusal_with_no_reason() {
    is_found(Bug::KeyReusedWithoutReason, |violation| matches!(violation, V::NoReason { .. }));
}

#[test]
fn an_answer_that_nobody_should_see() {
    is_found(Bug::InternalError, |violation| matches!(violation, V::Unexpected { status: 500, .. }));
}
