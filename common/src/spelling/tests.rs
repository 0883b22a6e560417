use super::nearest;

const NAMES: [&str; 9] =
    ["limit", "cursor", "currency", "from", "to", "min_amount", "max_amount", "format", "exchangers"];

#[test]
fn misspelt_name_finds_the_name_that_was_meant() {
    for (name, meant) in [
        ("curency", "currency"),
        ("CURRENCY", "currency"),
        ("cursors", "cursor"),
        ("form", "from"),
        ("minamount", "min_amount"),
        ("maxamount", "max_amount"),
        ("exchanger", "exchangers"),
        ("limits", "limit"),
        ("formats", "format"),
    ] {
        assert_eq!(nearest(name, NAMES), Some(meant), "{name}");
    }
}

#[test]
fn unlike_name_finds_none() {
    for name in ["", "x", "page", "status", "wallet_id", "utm_source", "\u{20ac}"] {
        assert_eq!(nearest(name, NAMES), None, "{name}");
    }
}
