//! The errors of an invalid command line. clap stops at the first unknown argument or invalid value. To find further
//! errors, the command line is parsed again without the arguments that were already found to be wrong.

use std::{ffi::OsString, process::ExitCode};

use clap::{
    Arg, Command, CommandFactory, Error, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use common::{
    config::{redact_password, shown_address},
    text::describe_refused,
};

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
        [only] if describe_invalid_value(only).is_none() => _ = only.print(),
        errors => eprint!("{}", join_texts(&texts_of(errors))),
    }
    ExitCode::from(exit_code)
}

/// Hides the passwords in URLs, moves the most similar command to the start of the suggestions, and removes the tip about `--`,
/// because no argument of this program begins with `--`.
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
        let shown = ContextValue::String(shown_address(value));
        error.insert(ContextKind::InvalidValue, shown);
    }
    // clap sorts the names by increasing similarity.
    if let Some(ContextValue::Strings(names)) = error.get(ContextKind::SuggestedSubcommand) {
        let names = ContextValue::Strings(names.iter().rev().cloned().collect());
        error.insert(ContextKind::SuggestedSubcommand, names);
    }
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested) {
        let kept: Vec<_> = tips.iter().filter(|tip| !tip.to_string().contains(" as a value, use ")).cloned().collect();
        error.remove(ContextKind::Suggested);
        if !kept.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(kept));
        }
    }
}

/// The text that clap prints for the error. An invalid value is described in the words of the services.
fn text_of(error: &Error) -> String {
    let text = error.render().to_string();
    match (describe_invalid_value(error), text.split_once("\n\n")) {
        (Some(described), Some((_, rest))) => format!("error: {described}\n\n{rest}"),
        _ => text,
    }
}

/// Describes an invalid value, such as `--limit must be a whole number from 1 to 1000, but is "x"`. Returns `None` for other
/// errors.
fn describe_invalid_value(error: &Error) -> Option<String> {
    let string = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (argument, value) = (string(ContextKind::InvalidArg)?, string(ContextKind::InvalidValue)?);
    let rule = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(names))) if !names.is_empty() => {
            format!("must be one of {}", names.join(", "))
        }
        (ErrorKind::ValueValidation, _) => std::error::Error::source(error)?.to_string(),
        _ => return None,
    };
    if !rule.starts_with("must ") {
        return None;
    }
    // clap shows an option with its placeholder: `--limit <LIMIT>`.
    let name = argument.split([' ', '=']).next().unwrap_or(argument);
    // Some rules already quote the value.
    let described = if rule.contains(", but is ") { rule } else { describe_refused(rule, value) };
    Some(format!("{name} {described}"))
}

/// The error of the first argument that is not UTF-8. Returns `None` if all arguments are UTF-8.
pub fn not_utf8(arguments: &[OsString]) -> Option<ClientError> {
    let index = arguments.iter().position(|argument| argument.to_str().is_none())?;
    let bytes = arguments[index].as_encoded_bytes();
    let mut command = Arguments::command();
    // Adds the options of every command to each command.
    command.build();
    let mut before = arguments[..index].iter().filter_map(|argument| argument.to_str());
    let command = before.clone().fold(&command, |command, name| command.find_subcommand(name).unwrap_or(command));
    // The value belongs to an option if it follows the option, or if it is joined with it: --reference=VALUE.
    let joined = bytes.iter().position(|byte| *byte == b'=').map(|end| (&bytes[..end], &bytes[end + 1..]));
    let joined = joined.and_then(|(name, value)| Some((str::from_utf8(name).ok()?, value)));
    let separate = before.next_back().map(|name| (name, bytes));
    let with_option = |(name, value)| Some((option_with_value(command, name)?, value));
    let (option, value) = match joined.and_then(with_option).or_else(|| separate.and_then(with_option)) {
        Some((option, value)) => (Some(option), value),
        None => (None, bytes),
    };
    let is_secret = option.is_some_and(|option| ["api-key", "operator-token"].contains(&option));
    // An address may contain a password. Escape sequences show which bytes are wrong.
    let shown = if is_secret || value.iter().any(|byte| matches!(byte, b'@' | b'?')) {
        "***".to_owned()
    } else {
        value.escape_ascii().to_string()
    };
    Some(ClientError::invalid_arguments(match option {
        Some(option) => format!("The value \"{shown}\" of --{option} is not UTF-8."),
        None => format!("The argument \"{shown}\" is not UTF-8."),
    }))
}

/// The long name of the option `typed` of the command, such as `reference` for `--reference` or `-r`. `None` if there is no
/// such option, or if it has no value.
fn option_with_value<'a>(command: &'a Command, typed: &str) -> Option<&'a str> {
    let is_typed = |argument: &&Arg| match typed.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => typed
            .strip_prefix('-')
            .is_some_and(|short| argument.get_short().is_some_and(|name| short == name.to_string())),
    };
    let argument = command.get_arguments().find(is_typed).filter(|argument| argument.get_action().takes_values())?;
    argument.get_long()
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
    for text in errors.iter().map(text_of) {
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
