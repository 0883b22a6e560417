use super::*;

#[test]
fn numbers_are_parsed_exactly() {
    for (text, expected) in [
        ("0.1", "0.1"),
        ("600", "600"),
        ("600.00", "600"),
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("1.5e-3", "0.0015"),
        ("-7.25", "-7.25"),
        ("0", "0"),
        ("0e999", "0"),
        ("123456789.1234", "123456789.1234"),
        ("0.0000000000000000000000000001", "0.0000000000000000000000000001"),
    ] {
        assert_eq!(parse_decimal(text).unwrap().normalize().to_string(), expected, "{text}");
    }
}

#[test]
fn text_outside_the_json_grammar_is_rejected() {
    for text in [
        "", " ", "NaN", "Infinity", "-", "+1", ".5", "5.", "1_000", "1,5", "01", "-01", "1e", "1e+", "0x10", "1 ",
        "１", "1.2.3", "--1", "1e1.5", "null",
    ] {
        assert_eq!(parse_decimal(text), Err(NumberError::Syntax), "{text:?}");
    }
}

#[test]
fn number_that_would_be_rounded_is_rejected() {
    for text in
        ["1e400", "1e-400", "1e99999999999", "0.00000000000000000000000000001", &"9".repeat(40), &"9".repeat(80)]
    {
        assert_eq!(parse_decimal(text), Err(NumberError::TooManyDigits), "{text:?}");
    }
}

#[test]
fn text_of_a_json_number_is_preserved() {
    for (json, text) in [("0.10", "0.10"), ("\"600.00\"", "600.00"), ("1e3", "1e3"), (r#""\u0036""#, "6")] {
        assert_eq!(serde_json::from_str::<DecimalText>(json).unwrap().as_str(), text);
    }
    for json in ["null", "true", "[]", "{}", "[1]"] {
        assert!(serde_json::from_str::<DecimalText>(json).is_err(), "{json}");
    }
}
