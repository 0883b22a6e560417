use super::*;

fn metadata(json: &str) -> Metadata {
    json.parse().unwrap()
}

fn invalid_fields(reference: Option<&str>, metadata: Option<&Metadata>) -> Vec<String> {
    let errors = Annotations::validate(reference, metadata).err().unwrap_or_default();
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn reference_is_short_text_without_control_characters() {
    for valid in ["a", "Rechnung № 42, \"Zoë\"", &"é".repeat(200)] {
        assert_eq!(invalid_fields(Some(valid), None), [""; 0], "{valid}");
    }
    for invalid in ["", "a\nb", "\u{7f}", "\u{85}", "\0", &"é".repeat(201)] {
        assert_eq!(invalid_fields(Some(invalid), None), ["client_reference"], "{invalid:?}");
    }
}

#[test]
fn metadata_is_a_small_object_of_strings() {
    let pairs = |count: usize| (0..count).map(|number| (format!("k{number}"), "v")).collect::<Metadata>();
    let pair = |key: &str, value: &str| std::iter::once((key, value)).collect::<Metadata>();
    for valid in [pairs(50), pair(&"k".repeat(40), ""), pair("k", &"é".repeat(500)), metadata("{}")] {
        assert_eq!(invalid_fields(None, Some(&valid)), [""; 0], "{valid:?}");
    }
    for invalid in [pairs(51), pair("", "v")] {
        assert_eq!(invalid_fields(None, Some(&invalid)), ["metadata"], "{invalid:?}");
    }
    let long = format!("metadata.{}", "k".repeat(41));
    assert_eq!(invalid_fields(None, Some(&pair(&"k".repeat(41), "v"))), [long]);
    assert_eq!(invalid_fields(None, Some(&pair("a\tb", "v"))), ["metadata.a\\tb"]);
    for invalid in [pair("k", &"é".repeat(501)), pair("k", "a\nb")] {
        assert_eq!(invalid_fields(None, Some(&invalid)), ["metadata.k"], "{invalid:?}");
    }
    let large = |last: usize| {
        [("a", 500), ("b", 500), ("c", 500), ("d", 500), ("e", last)].map(|(key, length)| (key, "v".repeat(length)))
    };
    let overhead = 5 * r#""a":"","#.len() + 1;
    assert_eq!(invalid_fields(None, Some(&large(2048 - 2000 - overhead).into_iter().collect())), [""; 0]);
    assert_eq!(invalid_fields(None, Some(&large(2049 - 2000 - overhead).into_iter().collect())), ["metadata"]);
    for json in [r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":{}}"#, r#"["a"]"#, r#""a""#, r#"{"a":"1","a":"1"}"#] {
        assert!(json.parse::<Metadata>().is_err(), "{json}");
    }
}

#[test]
fn equal_metadata_has_equal_text_and_empty_metadata_is_absent() {
    let (one, other) = (metadata(r#"{"b":"2","a":"1"}"#), metadata(r#"{ "a": "1", "b": "2" }"#));
    assert_eq!((one.to_text(), &one), (r#"{"a":"1","b":"2"}"#.to_owned(), &other));
    assert_eq!(Annotations::validate(None, Some(&metadata("{}"))), Ok(Annotations::default()));
}

#[test]
fn every_invalid_name_and_value_of_metadata_is_named() {
    let value = "v".repeat(600);
    let pairs = [("k".repeat(70), "v"), (String::new(), "v"), ("note".to_owned(), &value)];
    let invalid = Annotations::validate(None, Some(&pairs.into_iter().collect())).unwrap_err();
    let invalid: Vec<_> =
        invalid.into_iter().map(|FieldError { field, message }| format!("{field} {message}")).collect();
    let long =
        format!("metadata.{}… must have a name of at most 40 characters without control characters", "k".repeat(64));
    let long_value = format!(
        "metadata.note must be at most 500 characters without control characters, but is \"{}…\"",
        "v".repeat(32)
    );
    assert_eq!(invalid, ["metadata must not have an empty name", &long, &long_value]);
}

#[test]
fn every_invalid_annotation_is_listed() {
    assert_eq!(invalid_fields(Some(""), Some(&metadata(r#"{"":""}"#))), ["client_reference", "metadata"]);
}
