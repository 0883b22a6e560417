use common::api::wallets::MoveRefusalReason;
use serde_json::json;

use super::*;

#[test]
fn outcome_without_a_result_or_with_two_is_unknown() {
    let none = MoveOutcome { operation: None, transfer: None, refused: None, replayed: false };
    assert!(matches!(Decision::try_from(none.clone()), Err(DispatchError::OutcomeUnknown)));
    let refused = MoveRefused { reason: MoveRefusalReason::SameWallet, wallet_id: None, balance: None, currency: None };
    let refusal = MoveOutcome { refused: Some(refused), ..none };
    assert!(matches!(Decision::try_from(refusal.clone()), Ok(Decision::Refused(_))));
    let operation = json!({
        "id": "019b7d5a-1f00-7000-8000-000000000001", "wallet_id": "019b7d5a-1f00-7000-8000-000000000001",
        "operation_type": "DEPOSIT", "amount": "1.00", "balance": "1.00", "created_at": "2026-01-02T03:04:05Z",
    });
    let both = MoveOutcome { operation: serde_json::from_value(operation).unwrap(), ..refusal };
    assert!(both.operation.is_some());
    assert!(matches!(Decision::try_from(both), Err(DispatchError::OutcomeUnknown)));
}
