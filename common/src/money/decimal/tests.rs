use super::*;
use crate::money::{AmountError, FiatAmount, Sats, SatsError};

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
        "", " ", "NaN", "Infinity", "-", "+1", ".5", "5.", "1_000", "1,5", "1e", "01x", "1e+", "0x10", "1 ", "１",
        "1.2.3", "--1", "1e1.5", "null",
    ] {
        assert_eq!(parse_decimal(text), Err(NumberError::Syntax), "{text:?}");
    }
}

#[test]
fn number_with_leading_zeros_is_rejected() {
    for text in ["00", "01", "-01", "00012", "007.50", "01e2", &"0".repeat(65)] {
        assert_eq!(parse_decimal(text), Err(NumberError::LeadingZeros), "{text:?}");
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
fn number_of_at_most_64_characters_is_parsed() {
    let one = |length: usize| format!("1e{}", "0".repeat(length - 2));
    assert_eq!(parse_decimal(&one(64)), Ok(Decimal::ONE));
    assert_eq!(parse_decimal(&one(65)), Err(NumberError::TooManyDigits));
    assert_eq!(parse_decimal(&"x".repeat(65)), Err(NumberError::Syntax));
}

#[test]
fn fixed_point_number_has_at_least_two_decimals() {
    struct Fixed(i64);
    impl fmt::Display for Fixed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_fixed(f, self.0, 4)
        }
    }
    for (value, text) in [(0, "0.00"), (12_300, "1.23"), (12_345, "1.2345"), (-15_000, "-1.50"), (-1, "-0.0001")] {
        assert_eq!(Fixed(value).to_string(), text);
    }
}

#[test]
fn schema_of_a_decimal_number_allows_a_string_or_a_number() {
    use poem_openapi::{
        registry::MetaSchemaRef,
        types::{ToJSON, Type},
    };
    let MetaSchemaRef::Inline(schema) = DecimalText::schema_ref() else { panic!("the schema is inline") };
    let schema = serde_json::to_value(&schema).unwrap();
    assert_eq!(schema["oneOf"][0]["type"], "string");
    assert!(schema["oneOf"][0]["pattern"].as_str().unwrap().starts_with("^-?(0|"));
    assert_eq!(schema["oneOf"][1]["type"], "number");
    assert!(schema["description"].as_str().unwrap().contains("parsed exactly"));
    let number = DecimalText::from(schema["example"].as_str().unwrap());
    assert_eq!(number.to_json(), Some(serde_json::json!("69.00")));
    assert_eq!(number.as_raw_value(), Some(&number));
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

#[test]
fn decimal_texts_with_the_same_characters_are_equal() {
    let text = |json: &str| serde_json::from_str::<DecimalText>(json).unwrap();
    assert_eq!(text("0.10"), text("\"0.10\""));
    assert_ne!(text("0.10"), text("0.1"));
}

#[test]
fn only_a_json_number_may_have_an_exponent_in_an_amount() {
    let amount = |json: &str| serde_json::from_str::<DecimalText>(json).unwrap().parse_amount::<FiatAmount, _>();
    for json in ["1e3", "1000", "\"1000\"", "1000e0", "1E+3"] {
        assert_eq!(amount(json), Ok("1000".parse().unwrap()), "{json}");
    }
    for json in ["\"1e3\"", "\"1E+3\"", "\"1e400\""] {
        assert_eq!(amount(json), Err(AmountError::Number(NumberError::Exponent)), "{json}");
    }
    assert_eq!(amount("1e400"), Err(AmountError::Number(NumberError::TooManyDigits)));
    assert_eq!(amount("\"1e\""), Err(AmountError::Number(NumberError::Syntax)));
    let bitcoin = |json: &str| serde_json::from_str::<DecimalText>(json).unwrap().parse_amount::<Sats, _>();
    assert_eq!(bitcoin("1e-8"), Sats::new(1));
    assert_eq!(bitcoin("\"1e-8\""), Err(SatsError::Number(NumberError::Exponent)));
    // Text that is not JSON, such as a query parameter, is parsed like a JSON string.
    assert_eq!(
        DecimalText::from("1e3").parse_amount::<FiatAmount, _>(),
        Err(AmountError::Number(NumberError::Exponent))
    );
}
