use clap::Parser;

use super::*;
use crate::cli::{Arguments, Command, LimitCommand, SetLimitArgs};

#[test]
fn duration_is_a_number_with_a_unit_and_at_most_thirty_days() {
    for (text, secs) in [("45s", 45), ("90m", 5400), ("2h", 7200), ("30d", 2_592_000)] {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(secs)), "{text}");
    }
    for invalid in ["", "5", "m", "0s", "31d", "-1h", "1.5h", "1w", "99999999999999999999d", "5µ"] {
        assert!(parse_duration(invalid).is_err(), "{invalid}");
    }
}

#[test]
fn name_of_the_operator_may_be_omitted() {
    for command in [
        &["limit", "set", "150"][..],
        &["silence", "add", "--service", "db-proxy", "--for", "2h", "--reason", "upgrade"],
    ] {
        let parsed = Arguments::try_parse_from(["buydesk"].iter().chain(command));
        let by = match parsed.unwrap().command {
            Command::Limit(LimitCommand::Set(SetLimitArgs { by, .. }))
            | Command::Silence(SilenceCommand::Add(AddSilenceArgs { by, .. })) => by,
            other => panic!("{other:?}"),
        };
        assert_eq!(by, None);
    }
}

#[test]
fn id_of_a_silence_is_a_uuid() {
    let error = Arguments::try_parse_from(["buydesk", "silence", "remove", "abc"]).unwrap_err();
    assert!(error.to_string().contains("must be a UUID"), "{error}");
}

#[test]
fn silence_needs_a_matcher_a_duration_and_a_reason() {
    let parse = |options: &[&str]| {
        let command = ["buydesk", "silence", "add", "--by", "ada"];
        Arguments::try_parse_from(command.iter().chain(options)).map(|arguments| arguments.command)
    };
    let added = parse(&["--service", "db-proxy", "--for", "2h", "--reason", "upgrade"]).unwrap();
    let Command::Silence(SilenceCommand::Add(AddSilenceArgs { alert, service, by, .. })) = added else { panic!() };
    assert_eq!((alert, service.as_deref(), by.as_deref()), (None, Some("db-proxy"), Some("ada")));
    for invalid in [
        &["--for", "2h", "--reason", "upgrade"][..],
        &["--service", "db-proxy", "--reason", "upgrade"],
        &["--service", "db-proxy", "--for", "2h"],
    ] {
        assert!(parse(invalid).is_err(), "{invalid:?}");
    }
}
