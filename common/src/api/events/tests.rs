use super::*;

#[test]
fn topics_are_parsed_from_a_list() {
    assert_eq!(Topic::parse_list("board, record,board"), Ok(vec![Topic::PriceRecord, Topic::MarketSnapshot]));
    assert_eq!(Topic::parse_list("record"), Ok(vec![Topic::PriceRecord]));
    for wrong in ["", "records", "record,", "Record"] {
        assert_eq!(Topic::parse_list(wrong), Err(TopicError), "{wrong}");
    }
}
