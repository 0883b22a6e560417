use super::*;

fn refused(reason: RefusalReason) -> Decision {
    Decision::Refused(Refused::because(reason))
}

#[test]
fn refusal_after_a_lost_response_is_final_only_for_a_reused_key() {
    let limit_exceeded = final_result_after_lost_response(refused(RefusalReason::LimitExceeded));
    assert!(matches!(limit_exceeded, Err(DispatchError::OutcomeUnknown)));
    let price_unavailable = final_result_after_lost_response(refused(RefusalReason::PriceUnavailable));
    assert!(matches!(price_unavailable, Err(DispatchError::OutcomeUnknown)));
    assert!(final_result_after_lost_response(refused(RefusalReason::KeyReused)).is_ok());
}
