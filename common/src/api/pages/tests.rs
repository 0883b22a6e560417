use super::*;

fn linked(page: &str) -> String {
    let page = link_page(page.as_bytes(), |cursor: Cursor| format!("/orders?cursor={cursor}")).unwrap();
    String::from_utf8(page.to_vec()).unwrap()
}

#[test]
fn link_to_the_next_page_contains_the_cursor_and_rows_are_unchanged() {
    assert_eq!(
        linked(r#"{"data":[{"amount":1.10, "new":{}}],"next_cursor":"o1f"}"#),
        r#"{"data":[{"amount":1.10, "new":{}}],"_links":{"next":"/orders?cursor=o1f"},"next_cursor":"o1f"}"#
    );
}

#[test]
fn last_page_has_neither_a_link_nor_a_cursor() {
    assert_eq!(linked(r#"{"data":[]}"#), r#"{"data":[],"_links":{}}"#);
}
