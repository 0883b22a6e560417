use super::*;

fn email(text: &str) -> Email {
    text.parse().unwrap_or_else(|_| panic!("{text} is not accepted as an address"))
}

#[test]
fn addresses_are_compared_without_regard_to_case_and_unicode_form() {
    for (one, other) in [
        ("Ada@Example.ORG", "ada@example.org"),
        ("ÄRGER@example.org", "ärger@example.org"),
        // A letter with a combining accent, and the same letter as one code point.
        ("rene\u{301}@example.org", "ren\u{e9}@example.org"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
    ] {
        assert_eq!(email(one), email(other), "{one} and {other}");
        assert_eq!(email(one).as_str(), one, "the address is kept as it was entered");
    }
    for (one, other) in [("a.da@example.org", "ada@example.org"), ("ada+shop@example.org", "ada@example.org")] {
        assert_ne!(email(one), email(other), "{one} and {other}");
    }
}

#[test]
fn text_that_is_not_an_address_is_refused() {
    let too_long = format!("{}@example.org", "a".repeat(250));
    for text in [
        "",
        "ada",
        "ada@",
        "@example.org",
        "ada@localhost",
        "ada@@example.org",
        "ada@exam ple.org",
        "ada@example.org\n",
        "Ada <ada@example.org>",
        "ada@[127.0.0.1]",
        "ada@-example.org",
        "ada@example..org",
        &too_long,
    ] {
        assert_eq!(text.parse::<Email>().map(|email| email.to_string()), Err(EmailError::Invalid), "{text}");
    }
    let with_space = "ada shop@example.org".parse::<Email>().map(|email| email.to_string());
    assert_eq!(with_space, Err(EmailError::Space), "a space that may be an unencoded + has its own error");
}

#[test]
fn names_are_printable_text() {
    for text in ["Ada", "  Ada  ", "Ada Lovelace, Countess", "अदा", "🙂", &"a".repeat(200)] {
        assert_eq!(text.parse::<UserName>().map(|name| name.to_string()), Ok(text.to_owned()));
    }
    for text in ["", "   ", "a\nb", "a\u{7f}", "a\u{85}", &"a".repeat(201)] {
        assert_eq!(text.parse::<UserName>(), Err(NameError), "{text:?}");
    }
}

#[test]
fn new_names_have_a_visible_character_and_no_invisible_controls() {
    // Names with the joiners of Persian, Hindi and an emoji, and an ideographic space.
    for text in
        ["Ada", "علی\u{200c}رضا", "क्\u{200d}ष", "👩\u{200d}💻", "❤\u{fe0f}", "山田\u{3000}太郎", "O’Neil", "דוד"]
    {
        assert_eq!(UserName::parse_new(text).map(|name| name.to_string()), Ok(text.to_owned()));
    }
    let too_long = "a".repeat(201);
    for text in ["", "   ", "\u{3000}", "\u{200d}", "\u{3164}\u{200c} \u{fe0f}", &too_long] {
        assert_eq!(UserName::parse_new(text), Err(NewNameError::Length), "{text:?}");
    }
    for character in "\n\u{7f}\u{85}\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0041}".chars() {
        let text = format!("Ada{character}nimda");
        assert_eq!(UserName::parse_new(&text), Err(NewNameError::Invisible(character)), "{text:?}");
    }
    assert_eq!(NewNameError::Invisible('\u{202e}').to_string(), "must not contain the invisible character U+202E");
    // A name that an earlier release has stored is still parsed.
    assert!("Ada\u{202e}nimda".parse::<UserName>().is_ok());
}

#[test]
fn cursors_have_one_text_form() {
    let cursor: UserCursor = "u0190a6e27c1b7c3a9d5e0123456789ab".parse().expect("a cursor");
    assert_eq!(cursor.to_string(), "u0190a6e27c1b7c3a9d5e0123456789ab");
    for text in ["", "u", "u0190A6E27C1B7C3A9D5E0123456789AB", "u0190a6e2-7c1b-7c3a-9d5e-0123456789ab", "o1f"] {
        assert!(text.parse::<UserCursor>().is_err(), "{text}");
    }
}
