use clap::Parser;

use super::*;
use crate::cli::{Arguments, Command};

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
fn silence_needs_an_alert_or_a_service_a_duration_and_a_reason() {
    let parse = |options: &[&str]| {
        let command = ["buydesk", "silence", "add", "--by", "ada"];
        Arguments::try_parse_from(command.iter().chain(options)).map(|arguments| arguments.command)
    };
    let added = parse(&["--service", "db-proxy", "--for", "2h", "--reason", "upgrade"]).unwrap();
    let Command::Silence(SilenceCommand::Add(AddSilenceArgs { alert, service, by, .. })) = added else { panic!() };
    assert_eq!((alert, service.as_deref(), by.as_str()), (None, Some("db-proxy"), "ada"));
    for invalid in [
        &["--for", "2h", "--reason", "upgrade"][..],
        &["--service", "db-proxy", "--reason", "upgrade"],
        &["--service", "db-proxy", "--for", "2h"],
    ] {
        assert!(parse(invalid).is_err(), "{invalid:?}");
    }
}
