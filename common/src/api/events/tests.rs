use super::*;

#[test]
fn topics_are_parsed_from_a_list() {
    assert_eq!(Topic::parse_list("board, record,board"), Ok(vec![Topic::PriceRecord, Topic::MarketSnapshot]));
    assert_eq!(Topic::parse_list("record"), Ok(vec![Topic::PriceRecord]));
    for wrong in ["", "records", "record,", "Record"] {
        assert!(Topic::parse_list(wrong).is_err(), "{wrong}");
    }
    let expected =
        "contains the unknown name \"records\" (did you mean record?); each name must be one of record, board";
    assert_eq!(Topic::parse_list("records,board").unwrap_err().to_string(), expected);
}
