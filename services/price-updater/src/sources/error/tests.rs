use super::*;
use crate::sources::transport::TransportError;

#[test]
fn external_texts_are_truncated() {
    let SourceError::Refused(text) = SourceError::refused(&"line\n".repeat(1000)) else { panic!() };
    assert_eq!(text.chars().count(), MAX_QUOTED);
    assert!(!text.contains('\n'));
    let names = TransportError::Unreachable("certificate is only valid for example.org, ".repeat(100));
    assert!(SourceError::from(names).to_string().len() < MAX_QUOTED + 50);
}
