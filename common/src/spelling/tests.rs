use proptest::prelude::*;

use super::*;

const NAMES: [&str; 9] =
    ["limit", "cursor", "currency", "from", "to", "min_amount", "max_amount", "format", "exchangers"];

#[test]
fn nearest_known_name_is_suggested_for_a_misspelt_name() {
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
fn name_without_a_similar_known_name_has_no_suggestion() {
    for name in ["", "x", "page", "status", "wallet_id", "utm_source", "\u{20ac}"] {
        assert_eq!(nearest(name, NAMES), None, "{name}");
    }
}

#[test]
fn first_known_name_that_begins_with_a_name_of_several_words_is_suggested() {
    let known = [
        "BTC_LIMIT",
        "RATE_LIMIT_PER_MINUTE",
        "RATE_LIMIT_REDIS_URL",
        "QUOTE_MAX_BTC",
        "QUOTE_MAX_BTC_TOTAL",
        "QUOTE_HOLD_SECS",
    ];
    assert_eq!(nearest("RATE_LIMIT", known), Some("RATE_LIMIT_PER_MINUTE"));
    assert_eq!(nearest("rate_limit_per", known), Some("RATE_LIMIT_PER_MINUTE"));
    assert_eq!(nearest("QUOTE_MAX", known), Some("QUOTE_MAX_BTC"));
    assert_eq!(nearest("RATE", known), None);
}

proptest! {
    /// The generated name begins with the known name: of all names of its length, it is then the most similar.
    #[test]
    fn name_more_than_twice_as_long_is_never_similar(known in "[a-c]{1,20}", end in "[a-c]{1,80}") {
        let name = format!("{known}{end}");
        prop_assume!(end.len() > known.len());
        prop_assert!(strsim::normalized_damerau_levenshtein(&name, &known) < MIN_EDIT_SIMILARITY);
        prop_assert!(strsim::jaro_winkler(&name, &known) < MIN_PREFIX_SIMILARITY);
        prop_assert_eq!(nearest(&name, [known.as_str()]), None);
    }
}

#[test]
fn name_of_a_million_letters_is_similar_to_no_name() {
    assert_eq!(nearest(&"limit".repeat(200_000), NAMES), None);
}

#[test]
fn unknown_name_in_a_list_is_shown_with_the_known_names() {
    let reason = must_each_be_one_of(&["bitmex"], ["binance", "kraken"]);
    assert_eq!(reason, "contains the unknown name \"bitmex\"; each name must be one of binance, kraken");
    let many = must_be_one_of("x", 0..MAX_LISTED_NAMES + 5);
    assert!(many.ends_with("199, and 5 more, but is \"x\""), "{many}");
    assert_eq!(
        (must_be_one_of("x", [0; 0]), must_each_be_one_of(&["x"], [0; 0])),
        (NO_NAMES.to_owned(), NO_NAMES.to_owned())
    );
}

#[test]
fn unknown_names_in_a_list_are_shown_up_to_a_limit_with_suggestions() {
    let reason = must_each_be_one_of(&["krakn", "bitmex"], ["binance", "kraken"]);
    let expected = "contains the unknown names \"krakn\" (did you mean kraken?), \"bitmex\"; each name must be one of binance, \
                    kraken";
    assert_eq!(reason, expected);
    let many = must_each_be_one_of(&["xyz"; MAX_SHOWN_NAMES + 3], ["binance"]);
    assert!(many.matches("xyz").count() == MAX_SHOWN_NAMES && many.contains("and 3 more;"), "{many}");
}

#[test]
fn unknown_name_is_shown_with_the_name_that_is_probably_meant() {
    let reason = |name| must_be_one_of(name, ["EUR", "GBP", "USD"]);
    for name in ["EUX", "EURO", "eurr"] {
        assert_eq!(reason(name), format!("must be one of EUR, GBP, USD, but is {name:?} (did you mean EUR?)"));
    }
    assert_eq!(reason(""), "must be one of EUR, GBP, USD, but is \"\"");
    assert!(reason(&"x".repeat(1000)).len() < 100);
}
