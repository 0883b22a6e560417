use super::*;

#[test]
fn only_required_components_that_are_not_ready_are_named() {
    let parts = vec![
        Component::not_ready("database", "sqlite: the disk is full"),
        Component::ready("price"),
        Component::not_ready("source:alpha", "no answer").optional(),
        Component { detail: None, ..Component::not_ready("clock", "") },
    ];
    assert_eq!(not_ready_components(&Readiness::from(parts)), "database: sqlite: the disk is full; clock");
}
