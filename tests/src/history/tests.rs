//! The checker detects each planted bug, and reports nothing for a correct service.

mod simulated_service;

use bytes::Bytes;
use common::{
    api::orders::Order,
    money::{Currency, FiatAmount, Sats},
};

use self::simulated_service::{LIMIT, PlantedBug, SimulatedService};
use super::{Outcome, ReadKind, RequestedOrder, Violation as V, check_history, checker::order_json};
use crate::planted_bugs::assert_detected_with_every_seed;

fn violations(bug: PlantedBug, seed: u64) -> Vec<V> {
    let (history, stored) = SimulatedService::run(bug, seed);
    check_history(&history, &stored, Sats::new(LIMIT).unwrap())
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
fn simulation_covers_quotes_replays_and_denials() {
    let (history, stored) = SimulatedService::run(PlantedBug::None, 0);
    assert!(stored.orders.iter().any(|order| order.quote.is_some()));
    for state in ["taken", "expired"] {
        assert!(stored.quotes.iter().any(|quote| quote.state == state), "{state}");
    }
    let occurs = |is: fn(&Outcome) -> bool| history.attempts.iter().any(|attempt| is(&attempt.outcome));
    assert!(occurs(|outcome| matches!(outcome, Outcome::Placed { replayed: true, .. })));
    assert!(occurs(|outcome| matches!(outcome, Outcome::NoResponse)));
    for code in ["limit_exceeded", "idempotency_key_reused", "quote_taken", "quote_unknown", "upstream_unavailable"] {
        let denials = history.attempts.iter().filter_map(|attempt| attempt.outcome.denial());
        assert!(denials.into_iter().any(|denial| denial.as_str() == code), "{code}");
    }
}

#[test]
fn detects_lost_key() {
    assert_detected(PlantedBug::LostKey, |violation| matches!(violation, V::DuplicateOrder { .. }));
}

#[test]
fn detects_acknowledgement_before_commit() {
    assert_detected(PlantedBug::AcknowledgedBeforeCommit, |violation| matches!(violation, V::OrderMissing { .. }));
}

#[test]
fn detects_limit_off_by_one() {
    assert_detected(PlantedBug::LimitTooLow, |violation| *violation == V::LimitNotFilled { left: 1 });
    let one_too_many = |violation: &V| matches!(violation, V::LimitExceeded { sum, .. } if *sum == LIMIT + 1);
    assert_detected(PlantedBug::LimitTooHigh, one_too_many);
}

#[test]
fn detects_retry_without_key() {
    assert_detected(PlantedBug::PlacesAgainWithGeneratedKey, |violation| {
        matches!(violation, V::OrderNotRequested { .. })
    });
}

#[test]
fn detects_changed_replay() {
    assert_detected(PlantedBug::RecomputedReplay, |violation| matches!(violation, V::ReplayDiffers { .. }));
    assert_detected(
        PlantedBug::RecomputedReplay,
        |violation| matches!(violation, V::OrderDiffers { field, .. } if field == "price_as_of"),
    );
}

#[test]
fn detects_sequence_gap() {
    assert_detected(PlantedBug::SequenceGap, |violation| matches!(violation, V::SequenceGap { .. }));
}

#[test]
fn detects_denial_of_a_placed_order() {
    assert_detected(PlantedBug::RefusedAfterPlacing, |violation| matches!(violation, V::DeniedButPlaced { .. }));
}

#[test]
fn detects_wrong_total() {
    assert_detected(PlantedBug::SumNotUpdated, |violation| matches!(violation, V::WrongSum { .. }));
}

#[test]
fn detects_time_going_backwards() {
    assert_detected(PlantedBug::ClockMovesBackwards, |violation| matches!(violation, V::TimeNotIncreasing { .. }));
}

#[test]
fn detects_quote_taken_twice() {
    assert_detected(PlantedBug::QuoteTakenTwice, |violation| matches!(violation, V::QuoteTakenTwice { .. }));
}

#[test]
fn detects_unreleased_reservation() {
    assert_detected(PlantedBug::UnreleasedReservation, |violation| {
        matches!(violation, V::ReservationNotReleased { .. })
    });
}

#[test]
fn detects_changed_order() {
    assert_detected(PlantedBug::StoredDifferently, |violation| matches!(violation, V::OrderDiffers { .. }));
}

#[test]
fn detects_replay_reported_as_new() {
    assert_detected(PlantedBug::ReplayReportedAsNew, |violation| matches!(violation, V::CreatedTwice { .. }));
}

#[test]
fn detects_false_refusal() {
    assert_detected(PlantedBug::RefusesNewKey, |violation| matches!(violation, V::FalseRefusal { .. }));
}

#[test]
fn detects_unexpected_response() {
    assert_detected(PlantedBug::InternalError, |violation| {
        matches!(violation, V::UnexpectedResponse { status: 500, .. })
    });
}

#[test]
fn detects_keys_that_users_share() {
    assert_detected(PlantedBug::SharedKeys, |violation| {
        matches!(violation, V::SeenByAnother { read: ReadKind::Placement, .. } | V::FalseRefusal { .. })
    });
}

#[test]
fn detects_order_that_takes_the_quote_of_another_user() {
    assert_detected(
        PlantedBug::TakesQuoteOfAnother,
        |violation| matches!(violation, V::OrderDiffersFromQuote { field, .. } if field == "user_id"),
    );
}

#[test]
fn detects_order_that_another_user_sees() {
    assert_detected(PlantedBug::ShowsOrderOfAnother, |violation| {
        matches!(violation, V::SeenByAnother { read: ReadKind::Page, .. })
    });
}

#[test]
fn detects_incomplete_and_repeating_lists() {
    assert_detected(PlantedBug::OrderNotListed, |violation| matches!(violation, V::NotListed { .. }));
    assert_detected(PlantedBug::OrderListedTwice, |violation| matches!(violation, V::ListedTwice { .. }));
}

fn acknowledgement(order: &Order, replayed: bool) -> Outcome {
    Outcome::Placed { body: Bytes::from(order_json(order).to_string()), replayed }
}

/// The request for an order of this many satoshi.
fn market_order(satoshi: i64) -> RequestedOrder {
    RequestedOrder::AtMarketPrice {
        currency: Currency::USD,
        amount: FiatAmount::from_ten_thousandths(satoshi * 10_000).unwrap(),
    }
}
