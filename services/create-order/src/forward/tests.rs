use common::api::orders::Refused;

use super::*;

fn refused(reason: RefusalReason) -> Outcome {
    Outcome { placed: None, refused: Some(Refused { reason, remaining: None }) }
}

#[test]
fn after_a_try_without_an_answer_no_refusal_is_certain_but_that_of_a_key() {
    assert!(matches!(settled(refused(RefusalReason::LimitExceeded)), Err(ForwardError::Unknown)));
    assert!(matches!(settled(refused(RefusalReason::PriceUnavailable)), Err(ForwardError::Unknown)));
    assert!(settled(refused(RefusalReason::KeyReused)).is_ok());
}
