use std::slice;

use super::*;

#[test]
fn components_that_are_not_ready_are_named_with_their_effect() {
    let needed = Component::not_ready("database", "it is broken");
    let optional = Component::not_ready("limit", "it is broken").optional();
    let components = [needed, optional.clone(), Component::ready("journal")];
    assert_eq!(describe_degraded(false, &components), "not ready: database: it is broken");
    assert_eq!(describe_degraded(false, slice::from_ref(&optional)), "not ready");
    assert_eq!(describe_degraded(true, &[optional]), "degraded: it works, but these components are not ready: limit");
    // The service is ready if another instance works.
    assert_eq!(
        describe_degraded(true, &components),
        "degraded: it works, but these components are not ready: database, limit"
    );
    assert_eq!(describe_degraded(true, &[]), "degraded: an instance is missing");
}
