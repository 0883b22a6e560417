use super::*;

const TRACE: &str = "aaaabbbbccccddddaaaabbbbccccdddd";
const SPAN: &str = "aaaabbbbccccdddd";

fn parsed(text: &str) -> Option<SpanContext> {
    parse(text, TraceState::default())
}

#[test]
fn valid_value_is_formatted_as_it_was_received() {
    for flags in ["00", "01", "02", "03"] {
        let text = format!("00-{TRACE}-{SPAN}-{flags}");
        let span = parsed(&text).unwrap();
        assert_eq!(format(&span), text);
        assert!(span.is_remote());
        assert_eq!(span.is_sampled(), flags.ends_with(['1', '3']));
    }
}

#[test]
fn unknown_flags_are_not_passed_on() {
    assert_eq!(format(&parsed(&format!("00-{TRACE}-{SPAN}-ff")).unwrap()), format!("00-{TRACE}-{SPAN}-03"));
    assert_eq!(format(&parsed(&format!("cc-{TRACE}-{SPAN}-ff")).unwrap()), format!("00-{TRACE}-{SPAN}-01"));
}

#[test]
fn value_of_a_later_version_can_have_further_fields() {
    assert!(parsed(&format!("01-{TRACE}-{SPAN}-01")).is_some());
    assert!(parsed(&format!("01-{TRACE}-{SPAN}-01-extra")).is_some());
    assert!(parsed(&format!("01-{TRACE}-{SPAN}-01.extra")).is_none());
}

#[test]
fn malformed_values_are_refused() {
    let zero_trace = "0".repeat(32);
    let zero_span = "0".repeat(16);
    let upper = TRACE.to_uppercase();
    for text in [
        String::new(),
        "00".to_owned(),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-extra"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0x-{TRACE}-{SPAN}-01"),
        format!("00-{upper}-{SPAN}-01"),
        format!("00-{zero_trace}-{SPAN}-01"),
        format!("00-{TRACE}-{zero_span}-01"),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{}é-{SPAN}-01", &TRACE[2..]),
        format!("00-+{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}-{SPAN}-+1"),
    ] {
        assert_eq!(parsed(&text), None, "{text}");
    }
}
