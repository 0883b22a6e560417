use super::*;

#[test]
fn usage_error_in_json_contains_the_tips() {
    let document = |arguments: &[&str]| -> serde_json::Value {
        let error = Arguments::try_parse_from(["buydesk"].iter().chain(arguments)).unwrap_err();
        serde_json::from_str(&error_document(&usage_error(&error.render().to_string()).into())).unwrap()
    };
    for (arguments, tip) in [
        (&["order", "place", "--amounts", "1"][..], "a similar argument exists: '--amount'"),
        (&["order", "places"], "a similar subcommand exists: 'place'"),
        (&["load", "orders", "--check", "samples"], "a similar value exists: 'sample'"),
    ] {
        let document = document(arguments);
        assert_eq!(document["tip"], tip, "{document}");
        assert!(!document["detail"].as_str().unwrap().contains("tip"), "{document}");
    }
    let document = document(&["order", "place", "--currency", "EUR"]);
    assert_eq!(document.get("tip"), None, "{document}");
}
