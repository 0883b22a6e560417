//! The errors of an invalid command line. clap stops at the first unknown argument or invalid value. To find further
//! errors, the command line is parsed again without the arguments that were already found to be wrong.

use std::process::ExitCode;

use clap::{
    Command, CommandFactory, Error, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use common::config::redact_password;

use crate::{
    cli::Arguments,
    client::{ClientError, error_document},
    program,
};

/// Maximum number of errors that are reported.
const MAX_ERRORS: usize = 20;

/// Prints the help or the version if the user requested it. Otherwise prints the errors of the command line of the
/// process, and returns `exit_code`. `first` is the first error.
pub fn report(first: Error, json: bool, exit_code: u8) -> ExitCode {
    if !first.use_stderr() {
        // Printing fails if standard output is a closed pipe. This failure is not reported.
        let _ = first.print();
        return ExitCode::SUCCESS;
    }
    let mut errors = all_errors(first, std::env::args().collect());
    errors.iter_mut().for_each(correct_context);
    match &errors[..] {
        errors if json => {
            let missing_command = errors.first().and_then(missing_command);
            let error = missing_command.unwrap_or_else(|| usage_error(&texts_of(errors)));
            eprintln!("{}", error_document(&error.into()));
        }
        // clap prints a single error, because it can print colours on a terminal.
        [only] => _ = only.print(),
        errors => eprint!("{}", join_texts(&texts_of(errors))),
    }
    ExitCode::from(exit_code)
}

/// Hides the passwords in URLs, and moves the most similar command to the start of the suggestions.
fn correct_context(error: &mut Error) {
    if let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg)
        && argument.contains("://")
    {
        let redacted = ContextValue::String(redact_password(argument));
        error.insert(ContextKind::InvalidArg, redacted);
    }
    let is_address =
        matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(name)) if name.ends_with("<URL>"));
    if let (true, Some(ContextValue::String(value))) = (is_address, error.get(ContextKind::InvalidValue)) {
        // A value without these characters contains no password.
        if value.contains(['@', '?']) {
            let redacted = ContextValue::String(redact_password(value));
            error.insert(ContextKind::InvalidValue, redacted);
        }
    }
    // clap sorts the names by increasing similarity.
    if let Some(ContextValue::Strings(names)) = error.get(ContextKind::SuggestedSubcommand) {
        let names = ContextValue::Strings(names.iter().rev().cloned().collect());
        error.insert(ContextKind::SuggestedSubcommand, names);
    }
}

/// The error of a command line that ends where a command must follow. For this error, clap prints the help instead of
/// an error text. Returns `None` for other errors.
fn missing_command(error: &Error) -> Option<ClientError> {
    if error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return None;
    }
    // The usage in the help contains the command so far, such as `Usage: buydesk order [OPTIONS] <COMMAND>`.
    let help = error.render().to_string();
    let usage = help.lines().find_map(|line| line.strip_prefix("Usage: "))?;
    let parents: Vec<_> = usage.split(' ').skip(1).take_while(|word| !word.starts_with(['[', '<'])).collect();
    let root = Arguments::command();
    let parent = parents.iter().try_fold(&root, |command, name| command.find_subcommand(name))?;
    let names: Vec<_> =
        parent.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name).collect();
    let typed = program::command(&parents.join(" "));
    let typed = typed.trim_end();
    let message = format!("A command is missing after `{typed}`. The commands are: {}.", names.join(", "));
    let next_step = format!("`{typed} --help` shows the commands and options.");
    Some(ClientError::invalid_arguments(message).replacing_next_step(next_step))
}

fn texts_of(errors: &[Error]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(|error| error.render().to_string()) {
        // The same wrong argument can occur several times.
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The first error, and further unknown arguments and invalid values in `arguments`, up to [`MAX_ERRORS`]. Further
/// errors of other kinds, such as a missing argument, are omitted. The removal of a wrong argument possibly caused them.
fn all_errors(first: Error, mut arguments: Vec<String>) -> Vec<Error> {
    let mut errors = vec![first];
    while errors.len() < MAX_ERRORS && errors.last().is_some_and(|last| remove_invalid(&mut arguments, last)) {
        match Arguments::try_parse_from(&arguments) {
            Err(error) if concerns_one_argument(&error) => errors.push(error),
            Ok(_) | Err(_) => break,
        }
    }
    errors
}

/// Whether the error is an unknown argument or an invalid value.
fn concerns_one_argument(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidValue | ErrorKind::ValueValidation)
}

/// Removes the argument that the error names, and its value. Returns false if nothing was removed. An invalid
/// positional argument stays: without it, the next argument would take its place.
fn remove_invalid(arguments: &mut Vec<String>, error: &Error) -> bool {
    let text_of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let Some(shown) = text_of(ContextKind::InvalidArg).filter(|_| concerns_one_argument(error)) else { return false };
    // clap shows an option with its placeholder: `--limit <LIMIT>`.
    let name = shown.split([' ', '=', '[']).next().unwrap_or(shown);
    if error.kind() == ErrorKind::UnknownArgument {
        return remove_unknown(arguments, name);
    }
    text_of(ContextKind::InvalidValue).is_some_and(|value| remove_option(arguments, name, value))
}

/// Removes an unknown argument. Also removes the possible value of an unknown option: the next argument, unless it
/// begins with `-`.
fn remove_unknown(arguments: &mut Vec<String>, name: &str) -> bool {
    let is_it =
        |argument: &String| argument == name || argument.split_once('=').is_some_and(|(start, _)| start == name);
    let Some(index) = arguments.iter().skip(1).position(is_it) else { return false };
    let removed = arguments.remove(index + 1);
    let is_value = arguments.get(index + 1).is_some_and(|next| !next.starts_with('-'));
    if removed == name && removed.starts_with('-') && is_value {
        arguments.remove(index + 1);
    }
    true
}

/// Removes an option with its value. `name` is the long name. The command line possibly contains the short name, so
/// each short option with this value matches.
fn remove_option(arguments: &mut Vec<String>, name: &str, value: &str) -> bool {
    let is_name = |argument: &str| argument == name || argument.len() == 2 && argument.starts_with('-');
    if let Some(index) = arguments.windows(2).position(|pair| is_name(&pair[0]) && pair[1] == value) {
        arguments.drain(index..index + 2);
        return true;
    }
    let is_joined =
        |argument: &String| argument.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) == Some(value);
    let joined = arguments.iter().position(is_joined);
    joined.map(|index| arguments.remove(index)).is_some()
}

/// The error of an invalid command line. Each text is an error as clap prints it: the error, tips, the usage and a hint, separated by
/// empty lines.
fn usage_error(texts: &[String]) -> ClientError {
    // clap prints each missing argument and each tip on a line of its own.
    let in_one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let detail =
        |text: &String| in_one_line(text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: "));
    let further = texts.iter().flat_map(|text| text.split("\n\n").skip(1)).flat_map(str::lines);
    let tips: Vec<_> = further.filter_map(|line| line.trim_start().strip_prefix("tip: ")).map(in_one_line).collect();
    let error = ClientError::invalid_arguments(texts.iter().map(detail).collect::<Vec<_>>().join("; "));
    if tips.is_empty() { error } else { error.with_tip(&tips.join("; ")) }
}

/// Joins the texts of several errors. The usage and the hint appear only once, at the end.
fn join_texts(texts: &[String]) -> String {
    let is_end = |part: &&str| part.starts_with("Usage: ") || part.starts_with("For more information");
    let errors = texts.iter().flat_map(|text| text.trim_end().split("\n\n").filter(|part| !is_end(part)));
    let ends = texts.iter().take(1).flat_map(|text| text.split("\n\n").filter(is_end));
    errors.chain(ends).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests;
