use common::api::orders::RefusalReason;

use super::*;

#[test]
fn nobody_is_told_that_nothing_was_placed_where_a_part_may_be() {
    let decided = || Ok(Decision::Refused { reason: RefusalReason::QuoteUnknown, remaining: None });
    let (away, unknown) = (Err(WriteError::DatabaseUnavailable), Err(WriteError::Indeterminate));
    assert_eq!(all_or_error(vec![decided(), decided()]).map(|all| all.len()), Ok(2));
    assert_eq!(all_or_error(vec![away.clone(), away.clone()]), Err(WriteError::DatabaseUnavailable));
    assert_eq!(all_or_error(vec![away.clone(), Err(WriteError::Fault)]), Err(WriteError::DatabaseUnavailable));
    for part in [decided(), unknown.clone()] {
        assert_eq!(all_or_error(vec![away.clone(), part.clone()]), Err(WriteError::Indeterminate));
        assert_eq!(all_or_error(vec![part, away.clone()]), Err(WriteError::Indeterminate));
    }
}
