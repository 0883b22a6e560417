//! Tests of what a response states about a movement, for every state of its key and every fault of db-proxy.
//!
//! These tests check two rules:
//! - A response may state that no money moved only if no money moved and none can move later. db-proxy must also have
//!   looked up the idempotency key, if the client sent one.
//! - A response may state that the outcome is unknown only if db-proxy made no final decision about the movement.

use std::collections::BTreeSet;

use common::api::{
    Code,
    orders::OwnerFilter,
    wallets::{MoveCommand, MoveRefusalReason, MoveRefused, OperationCommand, OperationType},
};

use super::*;
use crate::tests::fake_backend::{Fault, refused};

const CLIENT_KEY: &str = "client-key";

/// The state of the idempotency key when the request arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    /// The client sends no key.
    Generated,
    Unused,
    /// An earlier request with this key made the same movement.
    MovedBefore,
    /// An earlier request with this key made a different movement.
    MovedForOther,
}

impl KeyState {
    const ALL: [Self; 4] = [Self::Generated, Self::Unused, Self::MovedBefore, Self::MovedForOther];

    fn header(self) -> Option<&'static str> {
        (self != Self::Generated).then_some(CLIENT_KEY)
    }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    key: KeyState,
    fault: Fault,
    /// Whether db-proxy refuses a new movement because of the balance.
    is_refused: bool,
}

fn command(wallet_id: WalletId, amount: &str) -> MoveCommand {
    let amount = amount.parse().unwrap();
    MoveCommand {
        client: "anonymous".to_owned(),
        key: CLIENT_KEY.parse().unwrap(),
        requested_at: None,
        owner: OwnerFilter::Anonymous,
        operation: Some(OperationCommand { wallet_id, operation_type: OperationType::Deposit, amount }),
        transfer: None,
        traceparent: None,
    }
}

/// Sends the request of a case.
async fn observe(case: Case) -> (Fixture, TestResponse) {
    let fixture = Fixture::new();
    let (id, path) = fixture.wallet(Currency::USD);
    match case.key {
        KeyState::MovedBefore => fixture.backend.store_earlier_movement(&command(id, "5")),
        KeyState::MovedForOther => fixture.backend.store_earlier_movement(&command(id, "6")),
        KeyState::Generated | KeyState::Unused => {}
    }
    if case.is_refused {
        fixture.backend.refuse(MoveRefused { wallet_id: Some(id), ..refused(MoveRefusalReason::InsufficientFunds) });
    }
    fixture.backend.set_fault(case.fault);
    let body = Some(deposit("5").to_string());
    let sent = TestRequest { method: Method::POST, path: &path, token: None, idempotency_key: case.key.header(), body };
    let answer = fixture.send(sent).await;
    (fixture, answer)
}

#[tokio::test(start_paused = true)]
async fn response_states_that_no_money_moved_only_if_this_is_certain() {
    let mut codes = BTreeSet::new();
    for key in KeyState::ALL {
        for fault in Fault::ALL {
            for is_refused in [false, true] {
                let case = Case { key, fault, is_refused };
                let (fixture, answer) = observe(case).await;
                check(case, &fixture.backend, &answer);
                codes.insert(if answer.status == 200 { "moved".to_owned() } else { answer.code().to_owned() });
            }
        }
    }
    let expected = [
        "database_unavailable",
        "idempotency_key_reused",
        "insufficient_funds",
        "internal",
        "moved",
        "outcome_unknown",
        "overloaded",
        "shutting_down",
        "upstream_unavailable",
    ];
    assert!(codes.iter().eq(expected.iter()), "{codes:?}");
}

#[track_caller]
fn check(case: Case, backend: &FakeBackend, answer: &TestResponse) {
    let context = format!("{case:?}: {} {}", answer.status, answer.text);
    let (is_stored, is_decided) = (backend.is_stored(), backend.is_decided());
    match answer.status {
        200 => assert!(is_stored, "a movement that is not stored was confirmed; {context}"),
        409 | 422 | 503 => {}
        500 => assert!(case.fault.is_defect() && case.key.header().is_none(), "{context}"),
        _ => panic!("unexpected status; {context}"),
    }
    let states_no_movement =
        matches!(answer.status, 409 | 422) || answer.status == 503 && answer.code() != "outcome_unknown";
    if states_no_movement {
        assert!(!is_stored, "the response states that no money moved, but the movement is stored; {context}");
        assert!(
            !backend.is_indeterminate(),
            "the response states that no money moved, but the outcome is unknown; {context}"
        );
        let is_looked_up = case.key.header().is_none() || is_decided;
        assert!(is_looked_up, "the response states that no money moved, but the key was not looked up; {context}");
    }
    if answer.code() == "outcome_unknown" {
        assert!(!is_decided, "db-proxy decided, but the response states an unknown outcome; {context}");
        let has_no_effect = answer.body["subcode"] == "no_effect";
        assert_eq!(has_no_effect, !backend.is_indeterminate(), "{context}");
        let named = answer.body["idempotency_key"].as_str().unwrap();
        let requested = backend.requested().map(|command| command.key.to_string());
        assert_eq!(Some(named), case.key.header().or(requested.as_deref()), "{context}");
    }
}

#[tokio::test(start_paused = true)]
async fn responses_name_the_cause_if_the_outcome_is_certain() {
    use KeyState::{Generated, MovedBefore, MovedForOther, Unused};
    let lost = Fault::LostThenDecided { moves: false };
    for (key, fault, is_refused, status, code) in [
        (Generated, Fault::Unreachable, false, 503, "upstream_unavailable"),
        (Generated, Fault::TokenRefused, false, 503, "upstream_unavailable"),
        (Generated, Fault::Problem(Code::DatabaseUnavailable), false, 503, "database_unavailable"),
        (Generated, Fault::LostResponse { moves: true }, false, 503, "outcome_unknown"),
        (Unused, Fault::Unreachable, false, 503, "outcome_unknown"),
        (Unused, Fault::None, true, 409, "insufficient_funds"),
        (Unused, lost, true, 503, "outcome_unknown"),
        (Unused, lost, false, 200, ""),
        (MovedBefore, Fault::None, true, 200, ""),
        (MovedBefore, lost, true, 200, ""),
        (MovedBefore, Fault::Problem(Code::Internal), false, 503, "outcome_unknown"),
        (MovedForOther, Fault::None, false, 422, "idempotency_key_reused"),
        (MovedForOther, lost, false, 422, "idempotency_key_reused"),
    ] {
        let case = Case { key, fault, is_refused };
        let (_, answer) = observe(case).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{case:?}: {}", answer.text);
        let states_no_movement =
            answer.body["detail"].as_str().is_some_and(|detail| detail.ends_with(" No money moved."));
        assert_eq!(
            states_no_movement,
            status == 503 && code != "outcome_unknown" || code == "insufficient_funds",
            "{case:?}"
        );
    }
}
