use super::*;

#[test]
fn invisible_controls_are_shown_as_code_points() {
    for (text, shown) in [
        ("Ada\u{202e}nimda", r"Ada\u{202e}nimda"),
        ("\u{200f}a\u{2069}b\u{feff}", r"\u{200f}a\u{2069}b\u{feff}"),
        ("a\u{1b}[2Jb", r"a\u{1b}[2Jb"),
    ] {
        assert_eq!(escape_invisible_controls(text), shown);
    }
    for text in ["", "Ada Lovelace", "علی\u{200c}رضا", "👩\u{200d}💻", "山田\u{3000}太郎"] {
        assert!(matches!(escape_invisible_controls(text), Cow::Borrowed(same) if same == text), "{text}");
    }
}

#[test]
fn name_is_shown_up_to_a_limit_without_control_characters() {
    let long = "\u{e9}".repeat(65);
    for (name, shown) in [("cart", "cart"), ("", "\"\""), ("a\tb", "a\\tb"), (&long, &format!("{}…", &long[..128]))] {
        assert_eq!(shown_name(name), shown);
    }
}

#[test]
fn hexadecimal_digits_are_read_exactly() {
    assert_eq!(from_hex("00fF"), Some([0, 255]));
    assert_eq!(from_hex::<2>(&to_hex(&[1, 200])), Some([1, 200]));
    for wrong in ["00f", "00fff", "00fg", "+0ff", "é0f"] {
        assert_eq!(from_hex::<2>(wrong), None, "{wrong}");
    }
}
