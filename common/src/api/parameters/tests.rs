use super::*;
use crate::api::keys::KeySecret;

fn schema_of<T: Type>() -> MetaSchema {
    let MetaSchemaRef::Inline(schema) = T::schema_ref() else { panic!("{} has no schema of its own", T::name()) };
    *schema
}

#[track_caller]
fn assert_refused(schema: &MetaSchema, text: &str, reason: &str) {
    assert_eq!(check_value(schema, text), Err(reason.to_owned()), "{text}");
}

#[test]
fn text_is_checked_by_its_type() {
    assert_eq!(check_value(&schema_of::<Currency>(), "eur"), Ok(()));
    assert_refused(&schema_of::<Currency>(), "euro", "must be a code of three letters, such as EUR, but is \"euro\"");
    assert_eq!(check_value(&schema_of::<orders::Cursor>(), "o1f"), Ok(()));
    // `o1f` is a cursor of the list of orders, not of the list of reports.
    assert!(check_value(&schema_of::<ReportCursor>(), "o1f").is_err());
    assert!(check_value(&schema_of::<Timestamp>(), "2026-02-30T00:00:00Z").is_err());
    assert!(check_value(&schema_of::<FiatAmount>(), "1.00001").is_err());
    assert_eq!(check_value(&schema_of::<String>(), "anything"), Ok(()));
}

#[test]
fn refused_text_is_quoted_up_to_a_limit_unless_it_may_be_a_secret() {
    let id = "must be a UUID, such as 0190a6e2-7c1b-7c3a-9d5e-0123456789ab, but is";
    assert_refused(&schema_of::<OrderId>(), "x", &format!("{id} \"x\""));
    assert_refused(&schema_of::<OrderId>(), "", &format!("{id} \"\""));
    assert_refused(&schema_of::<OrderId>(), &"x".repeat(33), &format!("{id} \"{}…\"", "x".repeat(32)));
    let time = "must be an RFC 3339 time, such as 2026-01-02T03:04:05Z, but is \"today\"";
    assert_refused(&schema_of::<Timestamp>(), "today", time);
    assert_refused(&schema_of::<FiatAmount>(), "-1", "must be greater than 0, but is \"-1\"");
    let key = "must be 1 to 128 visible ASCII characters, such as a UUID, but is \"two words\"";
    assert_refused(&schema_of::<IdempotencyKey>(), "two words", key);
    let api_key = KeySecret::parse_text("bdk_x").unwrap_err();
    assert_eq!(api_key, "must be an API key, which begins with bdk_");
}

#[test]
fn parameter_keeps_the_text_that_was_sent() {
    let currency = AsSent::<Currency>::parse_from_parameter("eUr").ok();
    assert_eq!(currency, Some(AsSent { value: Currency::EUR, text: "eUr".to_owned() }));
    let refused = AsSent::<Currency>::parse_from_parameter("euro").map_err(ParseError::into_message);
    assert!(refused.is_err_and(|reason| reason.contains("but is \"euro\"")));
}

#[test]
fn whole_numbers_are_checked_by_their_range() {
    let page = MetaSchema { minimum: Some(1.0), maximum: Some(1000.0), ..schema_of::<u32>() };
    for text in ["1", "1000"] {
        assert_eq!(check_value(&page, text), Ok(()), "{text}");
    }
    for text in ["0", "1001", "x", "", "1.5", "-1", "99999999999999999999999999999999999999999"] {
        let reason = check_value(&page, text).unwrap_err();
        assert!(reason.starts_with("must be a whole number from 1 to 1000, but is \""), "{reason}");
    }
    let start = schema_of::<u64>();
    assert_eq!(check_value(&start, "18446744073709551615"), Ok(()));
    for text in ["-1", "18446744073709551616"] {
        assert_refused(&start, text, &format!("must be a whole number, 0 or more, but is \"{text}\""));
    }
}

#[test]
fn enumerations_and_lengths_are_checked() {
    let format = MetaSchema { enum_items: vec!["csv".into(), "jsonl".into()], ..MetaSchema::new("string") };
    assert_eq!(check_value(&format, "csv"), Ok(()));
    assert_refused(&format, "cvs", "must be one of csv, jsonl, but is \"cvs\" (did you mean csv?)");
    assert_refused(&schema_of::<Resolution>(), "1hour", "must be one of raw, 1m, 1h, 1d, but is \"1hour\"");
    let level = "must be one of critical, error, warning, info, debug, but is \"warnin\" (did you mean warning?)";
    assert_refused(&schema_of::<MinLevel>(), "warnin", level);
    let short = MetaSchema { max_length: Some(3), ..MetaSchema::new("string") };
    assert_eq!(check_value(&short, "\u{20ac}\u{20ac}\u{20ac}"), Ok(()));
    assert_refused(&short, "abcd", "must have at most 3 characters, but is \"abcd\"");
    assert_refused(&schema_of::<bool>(), "yes", "must be true or false, but is \"yes\"");
}
