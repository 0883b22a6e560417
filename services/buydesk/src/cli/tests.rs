use clap::{CommandFactory, error::ErrorKind};
use common::api::keys::RateLimitChange;

use super::*;

#[test]
fn command_definitions_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn negative_amount_is_parsed_so_that_the_service_can_refuse_it() {
    let arguments = Arguments::try_parse_from(["buydesk", "order", "place", "-c", "EUR", "-a", "-5"]).unwrap();
    let Command::Order(OrderCommand::Place(place)) = arguments.command else { panic!() };
    assert_eq!(place.amount.as_deref(), Some("-5"));
}

#[test]
fn order_requires_a_currency_with_one_amount_or_a_quote() {
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let parse =
        |options: &[&str]| Arguments::try_parse_from([&["buydesk", "order", "place"], options].concat()).is_ok();
    assert!(parse(&["-c", "EUR", "-a", "5"]));
    assert!(parse(&["-c", "EUR", "--bitcoin", "0.001", "-r", "invoice-42", "-m", "cart=7", "-m", "note=a=b"]));
    assert!(parse(&["--quote", id]));
    for invalid in
        [&["-c", "EUR", "-a", "5", "-b", "1"][..], &["--quote", id, "-b", "1"], &["-c", "EUR", "-a", "5", "-m", "cart"]]
    {
        assert!(!parse(invalid), "{invalid:?}");
    }
    for invalid in [&["-c", "EUR"][..], &["-a", "5"], &[], &["--quote", id, "-a", "5"], &["--quote", "7"]] {
        assert!(!parse(invalid), "{invalid:?}");
    }
}

#[test]
fn error_of_missing_arguments_names_their_alternatives() {
    for (arguments, alternatives) in [
        (&["order", "place"][..], "<--amount <AMOUNT>|--bitcoin <BITCOIN>|--quote <QUOTE>>"),
        (&["order", "place", "-c", "EUR"], "<--amount <AMOUNT>|--bitcoin <BITCOIN>|--quote <QUOTE>>"),
        (&["quote", "create", "-c", "EUR"], "<--amount <AMOUNT>|--bitcoin <BITCOIN>>"),
    ] {
        let error = Arguments::try_parse_from(["buydesk"].iter().chain(arguments)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        let text = error.to_string();
        assert!(text.contains(alternatives) && text.contains("--bitcoin <BITCOIN> [OPTIONS]\n"), "{text}");
    }
}

#[test]
fn error_of_an_invalid_value_names_the_option_the_value_and_what_is_allowed() {
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let list = &["order", "list"][..];
    for (command, option, value, allowed) in [
        (list, "--limit", "x", "must be a whole number from 1 to 1000"),
        (list, "--limit", "0", "must be a whole number from 1 to 1000"),
        (list, "--limit", "99999999999", "must be a whole number from 1 to 1000"),
        (list, "--cursor", "x", "must be a cursor from a previous page"),
        (list, "--from", "today", "must be an RFC 3339 time, such as 2026-01-02T03:04:05Z"),
        (list, "--min-amount", "much", "must be a decimal number, such as 69 or 0.25"),
        (list, "--reference", "", "must be 1 to 200 characters"),
        (&["seed", "orders"][..], "--count", "many", "must be a whole number from 1 to 100000000"),
        (&["order", "place", "--quote", id][..], "--metadata", "cart", "must be NAME=VALUE"),
        (&["order", "place"][..], "--quote", "7", "must be a UUID"),
        (&["order", "place", "--quote", id][..], "--key", "a b", "must be 1 to 128 visible ASCII characters"),
        (list, "--limit", "-1", "must be a whole number from 1 to 1000"),
        (list, "--min-amount", "-1", "must be greater than 0"),
        (list, "--max-amount", "1e5", "must be written without an exponent, such as 100000 instead of 1e5"),
        (&["order", "place", "-c", "EUR"][..], "--amount", "1e5", "must be written without an exponent"),
        (&["order", "place", "-c", "EUR"][..], "--bitcoin", "1E-3", "must be written without an exponent"),
        (&["quote", "create", "-c", "EUR"][..], "--amount", "-1e999", "must be written without an exponent"),
        (&["logs"][..], "--level", "warm", "but is \"warm\" (did you mean warning?)"),
        (&["load", "reads"][..], "--duration", "3", "has no unit: must be 3 with ms, s, m or h, such as 3s"),
        (&["load", "reads"][..], "--duration", "25h", "must be at most a day, which is 24h"),
        (&["load", "reads"][..], "--duration", "1d", "must be a whole number with ms, s, m or h"),
        (&["price"][..], "--server", "shop:8001", "such as http://127.0.0.1:8001"),
        (&["health"][..], "--health-check", "ftp://shop", "such as http://127.0.0.1:8050"),
    ] {
        let arguments = ["buydesk"].iter().chain(command).chain([&option, &value]);
        let error = Arguments::try_parse_from(arguments).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation, "{option} {value}: {error}");
        let text = error.to_string();
        for part in [option, &format!("'{value}'"), allowed] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }
}

#[test]
fn rate_limit_of_a_key_has_one_range_in_all_commands() {
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let create = ["key", "create", "ada@example.org", "--name", "shop", "--scopes", "read"];
    let update = ["key", "update", "ada@example.org", id];
    let parse = |command: &[&'static str], limit| {
        Arguments::try_parse_from(["buydesk"].iter().chain(command).chain(&["--rate-limit", limit]))
    };
    for command in [&create[..], &update] {
        for limit in ["0", "1000001", "99999999999", "-1", "-1.5", "ten", ""] {
            let error = parse(command, limit).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{command:?} {limit}: {error}");
            let text = error.to_string();
            assert!(text.contains("must be a whole number from 1 to 1000000, or default"), "{text}");
        }
        for (limit, expected) in [("5", RateLimitChange::PerMinute(5)), ("default", RateLimitChange::LimitOfService)] {
            let parsed = match parse(command, limit).unwrap().command {
                Command::Key(KeyCommand::Create(args)) => args.rate_limit,
                Command::Key(KeyCommand::Update(args)) => args.rate_limit,
                other => panic!("{other:?}"),
            };
            assert_eq!(parsed, Some(expected));
        }
    }
}

#[test]
fn error_of_an_update_without_a_change_names_every_possible_change() {
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    for (command, changes) in [
        (&["key", "update", "ada@example.org", id][..], "<--name <NAME>|--rate-limit <PER_MINUTE>>"),
        (&["user", "update", "ada@example.org"], "<--email <EMAIL>|--name <NAME>>"),
    ] {
        let error = Arguments::try_parse_from(["buydesk"].iter().chain(command)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument);
        assert!(error.to_string().contains(changes), "{error}");
    }
    let both = ["user", "update", "ada@example.org", "--email", "a@example.org", "--name", "A"];
    assert!(Arguments::try_parse_from(["buydesk"].iter().chain(&both)).is_ok());
}

#[test]
fn key_update_needs_a_change() {
    let key = ["key", "update", "ada@example.org", "0190a6e2-7c1b-7c3a-9d5e-0123456789ab"];
    let parse = |options: &[&str]| {
        let arguments = ["buydesk"].iter().chain(&key).chain(options);
        match Arguments::try_parse_from(arguments).map(|arguments| arguments.command) {
            Ok(Command::Key(KeyCommand::Update(args))) => Ok((args.name, args.rate_limit)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.kind()),
        }
    };
    assert_eq!(parse(&[]), Err(ErrorKind::MissingRequiredArgument));
    assert_eq!(parse(&["--name", "till"]), Ok((Some("till".to_owned()), None)));
    assert_eq!(parse(&["--rate-limit", "5"]), Ok((None, Some(RateLimitChange::PerMinute(5)))));
    assert_eq!(parse(&["--rate-limit", "default"]), Ok((None, Some(RateLimitChange::LimitOfService))));
}

/// The help texts of a command and of all its subcommands.
fn help_texts(command: &mut clap::Command) -> Vec<String> {
    let own = [command.render_help().to_string(), command.render_long_help().to_string()];
    let subcommands: Vec<_> = command.get_subcommands_mut().flat_map(help_texts).collect();
    own.into_iter().chain(subcommands).collect()
}

#[test]
fn help_texts_fit_a_terminal_of_eighty_columns() {
    let mut command = Arguments::command();
    command.build();
    let texts = help_texts(&mut command);
    assert!(texts.len() > 20, "{}", texts.len());
    for help in texts {
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
