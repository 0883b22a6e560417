use super::*;

#[test]
fn wire_names_round_trip() {
    for kind in FaultKind::ALL {
        let text = serde_json::to_string(kind).unwrap();
        assert_eq!(text, format!("\"{}\"", kind.as_str()));
        assert_eq!(serde_json::from_str::<FaultKind>(&text).unwrap(), *kind);
    }
}
