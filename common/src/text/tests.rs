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
