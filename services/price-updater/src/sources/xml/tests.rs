use super::*;

#[test]
fn document_is_parsed_into_events() {
    let document = "<?xml version='1.0'?><g:a xmlns:g='x'><b c='1' d=\"&lt;2\"/><!-- no --> t &amp; u </g:a>";
    let attributes =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let start =
        |name: &str, pairs: &[(&str, &str)]| XmlEvent::Start { name: name.to_owned(), attributes: attributes(pairs) };
    let end = |name: &str| XmlEvent::End { name: name.to_owned() };
    let text = XmlEvent::Text("t & u".to_owned());
    let expected = vec![start("a", &[("g", "x")]), start("b", &[("c", "1"), ("d", "<2")]), end("b"), text, end("a")];
    assert_eq!(parse_events(document).unwrap(), expected);
}

#[test]
fn truncated_or_malformed_document_is_rejected() {
    for document in ["<a>", "<a><b></a>", "<a b></a>", "<a>&nbsp;</a>", "<a", "</a>"] {
        assert!(matches!(parse_events(document), Err(SourceError::InvalidResponse(_))), "{document}");
    }
}
