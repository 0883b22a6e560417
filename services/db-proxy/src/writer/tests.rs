use common::api::orders::RefusalReason;

use super::*;

#[test]
fn nobody_is_told_that_nothing_was_placed_where_a_part_may_be() {
    let decided = || Ok(Decision::Refused { reason: RefusalReason::QuoteUnknown, remaining: None });
    let (away, unknown) = (Err(WriteError::DatabaseAway), Err(WriteError::OutcomeUnknown));
    assert_eq!(together(vec![decided(), decided()]).map(|all| all.len()), Ok(2));
    assert_eq!(together(vec![away.clone(), away.clone()]), Err(WriteError::DatabaseAway));
    assert_eq!(together(vec![away.clone(), Err(WriteError::Fault)]), Err(WriteError::DatabaseAway));
    for part in [decided(), unknown.clone()] {
        assert_eq!(together(vec![away.clone(), part.clone()]), Err(WriteError::OutcomeUnknown));
        assert_eq!(together(vec![part, away.clone()]), Err(WriteError::OutcomeUnknown));
    }
}
