use super::*;

#[test]
fn external_texts_are_truncated() {
    let SourceError::Refused(text) = SourceError::refused(&"line\n".repeat(1000)) else { panic!() };
    assert_eq!(text.chars().count(), MAX_QUOTED);
    assert!(!text.contains('\n'));
}
