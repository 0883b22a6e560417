use clap::error::ErrorKind;

use super::*;

const MIGRATE: Task = Task { flag: "migrate", help: "Apply the migrations", run: || ExitCode::SUCCESS };

fn action(task: Option<Task>, arguments: &[&'static str]) -> Result<Action, ErrorKind> {
    let arguments = ["rates"].iter().chain(arguments).copied();
    action_of("rates", task, arguments).map_err(|error| error.kind())
}

#[test]
fn option_selects_the_action() {
    assert!(matches!(action(None, &[]), Ok(Action::Serve)));
    assert!(matches!(action(None, &["--check"]), Ok(Action::Check)));
    assert!(matches!(action(None, &["--openapi"]), Ok(Action::PrintOpenApi)));
    assert!(matches!(action(Some(MIGRATE), &["--migrate"]), Ok(Action::Run(_))));
    assert!(matches!(action(Some(MIGRATE), &[]), Ok(Action::Serve)));
}

#[test]
fn unknown_or_contradictory_argument_is_an_error() {
    assert_eq!(action(None, &["--checks"]).unwrap_err(), ErrorKind::UnknownArgument);
    assert_eq!(action(None, &["--migrate"]).unwrap_err(), ErrorKind::UnknownArgument);
    assert_eq!(action(None, &["check"]).unwrap_err(), ErrorKind::UnknownArgument);
    assert_eq!(action(None, &["--check", "--openapi"]).unwrap_err(), ErrorKind::ArgumentConflict);
    assert_eq!(action(Some(MIGRATE), &["--migrate", "--check"]).unwrap_err(), ErrorKind::ArgumentConflict);
}

#[test]
fn help_and_version_are_printed_to_standard_output_with_exit_code_0() {
    for (argument, part) in [("--help", "--check"), ("-h", ".env"), ("--version", "rates 0"), ("-V", "rates 0")] {
        let error = action_of("rates", None, ["rates", argument]).unwrap_err();
        assert_eq!((error.exit_code(), error.use_stderr()), (0, false));
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn bytes_of_an_argument_that_is_not_utf8_are_shown() {
    use std::os::unix::ffi::OsStringExt as _;

    let arguments = [OsString::from("rates"), OsString::from_vec(b"a\xff".to_vec())];
    let error = action_of("rates", None, arguments).unwrap_err().to_string();
    assert!(error.contains(r"'a\xff'"), "{error}");
}
