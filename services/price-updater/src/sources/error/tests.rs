use super::*;

#[test]
fn texts_from_outside_are_bounded() {
    let SourceError::Refused(text) = SourceError::refused(&"line\n".repeat(1000)) else { panic!() };
    assert_eq!(text.chars().count(), MAX_QUOTED);
    assert!(!text.contains('\n'));
}
