use common::api::orders::Refused;

use super::*;

fn refused(reason: RefusalReason) -> Outcome {
    Outcome { placed: None, refused: Some(Refused { reason, remaining: None }) }
}

#[test]
fn after_a_try_without_an_answer_no_refusal_is_certain_but_that_of_a_key() {
    assert!(matches!(outcome_after_unanswered_try(refused(RefusalReason::LimitExceeded)), Err(DispatchError::Unknown)));
    assert!(matches!(
        outcome_after_unanswered_try(refused(RefusalReason::PriceUnavailable)),
        Err(DispatchError::Unknown)
    ));
    assert!(outcome_after_unanswered_try(refused(RefusalReason::KeyReused)).is_ok());
}
