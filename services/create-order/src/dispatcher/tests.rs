use super::*;

fn refused(reason: RefusalReason) -> Decision {
    Decision::Refused(Refused { reason, remaining: None })
}

#[test]
fn after_unanswered_attempt_only_a_refusal_for_a_reused_key_is_final() {
    let limit_exceeded = after_unanswered_attempt(refused(RefusalReason::LimitExceeded));
    assert!(matches!(limit_exceeded, Err(DispatchError::OutcomeUnknown)));
    let price_unavailable = after_unanswered_attempt(refused(RefusalReason::PriceUnavailable));
    assert!(matches!(price_unavailable, Err(DispatchError::OutcomeUnknown)));
    assert!(after_unanswered_attempt(refused(RefusalReason::KeyReused)).is_ok());
}
