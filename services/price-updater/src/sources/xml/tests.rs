use super::*;

#[test]
fn a_document_is_read_piece_by_piece() {
    let document = "<?xml version='1.0'?><g:a xmlns:g='x'><b c='1' d=\"&lt;2\"/><!-- no --> t &amp; u </g:a>";
    let attributes = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let open =
        |name: &str, pairs: &[(&str, &str)]| Piece::Open { name: name.to_owned(), attributes: attributes(pairs) };
    let close = |name: &str| Piece::Close { name: name.to_owned() };
    let text = Piece::Text("t & u".to_owned());
    let expected = vec![open("a", &[("g", "x")]), open("b", &[("c", "1"), ("d", "<2")]), close("b"), text, close("a")];
    assert_eq!(pieces(document).unwrap(), expected);
}

#[test]
fn what_breaks_off_or_is_crooked_is_garbled() {
    for document in ["<a>", "<a><b></a>", "<a b></a>", "<a>&nbsp;</a>", "<a", "</a>"] {
        assert!(matches!(pieces(document), Err(SourceError::InvalidResponse(_))), "{document}");
    }
}
