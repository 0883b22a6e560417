use super::*;

#[test]
fn names_on_the_wire_are_the_same_both_ways() {
    for kind in FaultKind::ALL {
        let text = serde_json::to_string(kind).unwrap();
        assert_eq!(text, format!("\"{}\"", kind.as_str()));
        assert_eq!(serde_json::from_str::<FaultKind>(&text).unwrap(), *kind);
    }
}
