use super::*;

#[test]
fn topics_are_read_from_a_list() {
    assert_eq!(Topic::list("board, record,board"), Ok(vec![Topic::Record, Topic::Board]));
    assert_eq!(Topic::list("record"), Ok(vec![Topic::Record]));
    for wrong in ["", "records", "record,", "Record"] {
        assert_eq!(Topic::list(wrong), Err(TopicError), "{wrong}");
    }
}
