use super::*;

#[test]
fn line_break_is_added_once() {
    let shared = Bytes::from(b"{}".to_vec());
    let part_of_other_json = Bytes::from_static(b"[{},{}]").slice(1..3);
    for json in [shared.clone(), shared, part_of_other_json, Bytes::from_static(b"{}\n")] {
        assert_eq!(with_line_break(json), Bytes::from_static(b"{}\n"));
    }
}
