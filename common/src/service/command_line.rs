//! The command line of the binary of a service.

use std::{ffi::OsString, process::ExitCode};

use clap::{Arg, ArgAction, ArgGroup, Command};

#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Serve,
    /// Check whether the running service is ready.
    Check,
    PrintOpenApi,
    Run(fn() -> ExitCode),
}

/// A task that the binary runs instead of serving if the arguments contain the flag.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// The flag, without hyphens.
    pub flag: &'static str,
    pub help: &'static str,
    pub run: fn() -> ExitCode,
}

const SETTINGS_HELP: &str = "Settings are environment variables or lines of the file .env in the current folder, or of the file that \
    the environment variable SETTINGS_FILE names. An environment variable takes precedence over a line of the file. .env.example \
    lists all settings.";

const CHECK: &str = "check";
const OPENAPI: &str = "openapi";

/// The action that the arguments select. For `--help` and `--version`, the text is returned as an error.
pub(super) fn action_of(
    service: &'static str,
    task: Option<Task>,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Action, clap::Error> {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).action(ArgAction::SetTrue).group("action")
    };
    let command = Command::new(service)
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(80)
        .about(format!("{service}, a service of Buydesk. Without an option, it serves until it is stopped."))
        .after_help(SETTINGS_HELP)
        .arg(flag(CHECK, "Check whether the running service is ready; the exit code is 0 or 1"))
        .arg(flag(OPENAPI, "Print the OpenAPI document"))
        .args(task.map(|task| flag(task.flag, task.help)))
        .group(ArgGroup::new("action").multiple(false));
    let matches = command.try_get_matches_from(arguments.into_iter().map(readable))?;
    Ok(match task {
        _ if matches.get_flag(CHECK) => Action::Check,
        _ if matches.get_flag(OPENAPI) => Action::PrintOpenApi,
        Some(task) if matches.get_flag(task.flag) => Action::Run(task.run),
        _ => Action::Serve,
    })
}

/// Escapes the bytes of an argument that is not UTF-8, so that an error message can show the argument.
fn readable(argument: impl Into<OsString>) -> OsString {
    let argument = argument.into();
    if argument.to_str().is_some() { argument } else { argument.as_encoded_bytes().escape_ascii().to_string().into() }
}

#[cfg(test)]
mod tests;
