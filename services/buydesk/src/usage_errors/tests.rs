use std::os::unix::ffi::OsStringExt as _;

use super::*;

#[test]
fn usage_error_in_json_contains_the_tips() {
    let document = |arguments: &[&str]| -> serde_json::Value {
        let error = Arguments::try_parse_from(["buydesk"].iter().chain(arguments)).unwrap_err();
        serde_json::from_str(&error_document(&usage_error(&[error.render().to_string()]).into())).unwrap()
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

/// The argument that each error of this command line names, sorted.
fn faults(command_line: &str) -> Vec<String> {
    let arguments: Vec<_> = ["buydesk"].into_iter().chain(command_line.split(' ')).map(str::to_owned).collect();
    let first = Arguments::try_parse_from(&arguments).unwrap_err();
    let named = |error: &Error| match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.split(' ').next().unwrap().to_owned(),
        _ => error.kind().to_string(),
    };
    let mut faults: Vec<_> = all_errors(first, arguments).iter().map(named).collect();
    faults.sort();
    faults
}

#[test]
fn unknown_arguments_and_invalid_values_are_reported_together() {
    for (command_line, expected) in [
        ("order list --frm 2026-01-02 --limitt=5 --usr ada", &["--frm", "--limitt", "--usr"][..]),
        ("order list --limit 0 --cursor=x --min-amount -1", &["--cursor", "--limit", "--min-amount"]),
        ("order list -l 0 --to today --frm x", &["--frm", "--limit", "--to"]),
        ("order list --limit 0 --limitt 5", &["--limit", "--limitt"]),
        ("convert 1 BTC EUR more --frm", &["--frm", "more"]),
        // The required options are missing only because their misspelt forms were removed.
        ("order place --curency EUR --amout 5", &["--amout", "--curency"]),
        // An invalid positional argument is not removed.
        ("order get 7", &["<ID>"]),
        ("order list --limit 0", &["--limit"]),
    ] {
        assert_eq!(faults(command_line), expected, "{command_line}");
    }
    let many = (0..50).map(|number| format!("--x{number}")).collect::<Vec<_>>().join(" ");
    assert_eq!(faults(&format!("order list {many}")).len(), MAX_ERRORS);
}

#[test]
fn usage_of_several_errors_is_printed_once() {
    let arguments: Vec<_> = ["buydesk", "order", "list", "--frm", "x", "--limit", "0"].map(str::to_owned).into();
    let errors = all_errors(Arguments::try_parse_from(&arguments).unwrap_err(), arguments);
    let text = join_texts(&texts_of(&errors));
    for (part, times) in
        [("error: ", 2), ("tip: a similar argument exists: '--from'", 1), ("Usage: ", 1), ("--help", 1)]
    {
        assert_eq!(text.matches(part).count(), times, "{part}: {text}");
    }
    assert!(text.ends_with("try '--help'.\n"), "{text}");
}

/// The text that is printed for the first error of this command line.
fn corrected_text(command_line: &str) -> String {
    let mut error = Arguments::try_parse_from(command_line.split(' ')).unwrap_err();
    correct_context(&mut error);
    error.render().to_string()
}

#[test]
fn missing_command_is_reported_with_the_possible_commands() {
    let document = |command_line: &str| -> serde_json::Value {
        let error = Arguments::try_parse_from(command_line.split(' ')).unwrap_err();
        serde_json::from_str(&error_document(&missing_command(&error).unwrap().into())).unwrap()
    };
    for (command_line, parent, commands) in [
        ("buydesk --json order", "order`.", "place, list, get."),
        ("buydesk --json key", "key`.", "create, list, update, revoke."),
        ("buydesk --json seed", "seed`.", "orders, users."),
    ] {
        let document = document(command_line);
        let detail = document["detail"].as_str().unwrap();
        assert!(detail.starts_with("A command is missing after `") && detail.contains(parent), "{document}");
        assert!(detail.ends_with(&format!(" The commands are: {commands}")), "{document}");
        assert_eq!(document["code"], "invalid_arguments", "{document}");
        assert!(document["next_step"].as_str().unwrap().contains(" --help` shows the commands"), "{document}");
    }
    let other = Arguments::try_parse_from(["buydesk", "order", "plac"]).unwrap_err();
    assert!(missing_command(&other).is_none());
}

#[test]
fn password_of_an_invalid_address_is_not_printed() {
    for option in ["--server", "--health-check"] {
        for (address, shown) in [
            ("http://ada:pw1234@127.0.0.1", "http://ada:***@127.0.0.1/"),
            ("http://127.0.0.1?password=pw1234", "http://127.0.0.1/?***"),
            ("http://ada:pw1234@", "(an invalid address)"),
            ("127.0.0.1", "127.0.0.1"),
        ] {
            let text = corrected_text(&format!("buydesk health {option} {address}"));
            assert!(text.contains(&format!("'{shown}'")) && !text.contains("pw1234"), "{text}");
        }
    }
    let text = corrected_text("buydesk order list http://ada:pw1234@127.0.0.1");
    assert!(text.contains("'http://ada:***@127.0.0.1/'") && !text.contains("pw1234"), "{text}");
}

#[test]
fn invalid_value_is_described_in_the_words_of_the_services() {
    for (command_line, described) in [
        ("order list --limit x", "--limit must be a whole number from 1 to "),
        ("user list --state foo", r#"--state must be one of active, deactivated, but is "foo""#),
        ("user get ada", r#"[USER] must be the id or the e-mail address of a user, but is "ada""#),
        ("logs --level warm", "--level must be one of "),
        ("health --server http://ada:pw1234@127.0.0.1", "--server must be "),
    ] {
        let arguments = ["buydesk"].into_iter().chain(command_line.split(' '));
        let mut error = Arguments::try_parse_from(arguments).unwrap_err();
        correct_context(&mut error);
        let text = text_of(&error);
        assert!(text.starts_with(&format!("error: {described}")), "{text}");
        assert_eq!(text.matches(", but is \"").count(), 1, "{text}");
        assert!(!text.contains("invalid value") && !text.contains("pw1234") && text.contains("try '--help'"), "{text}");
    }
}

#[test]
fn unknown_option_is_reported_without_a_tip_about_two_hyphens() {
    for command_line in ["buydesk convert 1 BTC EUR --foo", "buydesk order list --frm x"] {
        let text = corrected_text(command_line);
        assert!(text.contains("unexpected argument") && !text.contains("as a value"), "{text}");
    }
    assert!(corrected_text("buydesk order list --frm x").contains("'--from'"));
}

#[test]
fn argument_that_is_not_utf8_is_named_with_its_option() {
    let error = |arguments: &[&[u8]]| {
        let arguments: Vec<_> = arguments.iter().map(|bytes| OsString::from_vec(bytes.to_vec())).collect();
        not_utf8(&arguments).map(|error| error.to_string().lines().next().unwrap().to_owned())
    };
    let placed = |last: &[&'static [u8]]| error(&[&[&b"order"[..], b"place", b"-c", b"EUR"], last].concat()).unwrap();
    for last in [&[&b"--reference"[..], b"\xff"][..], &[b"-r", b"\xff"], &[b"--reference=\xff"]] {
        assert_eq!(placed(last), r#"The value "\xff" of --reference is not UTF-8."#);
    }
    assert_eq!(placed(&[b"--json", b"\xff"]), r#"The argument "\xff" is not UTF-8."#);
    for secret in [&[&b"--api-key"[..], b"horse\xff"][..], &[b"--api-key=horse\xff"]] {
        assert_eq!(placed(secret), r#"The value "***" of --api-key is not UTF-8."#);
    }
    assert_eq!(placed(&[b"--server", b"http://u:horse\xff@h"]), r#"The value "***" of --server is not UTF-8."#);
    assert_eq!(error(&[b"health"]), None);
}

#[test]
fn most_similar_command_is_named_first() {
    let text = corrected_text("buydesk load ordrs");
    assert!(text.contains("some similar subcommands exist: 'orders'"), "{text}");
}
