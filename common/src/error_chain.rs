//! The text of an error with its causes.

use std::{error::Error, fmt, io};

use crate::io_errors::describe_io_error;

/// The messages of `error` and of each of its causes, separated by colons.
pub fn format_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_error_chain(&mut text, error);
    text
}

/// Writes the text of [`format_chain`] to `out`. Fails only if `out` fails.
pub fn write_error_chain(out: &mut impl fmt::Write, error: &(dyn Error + 'static)) -> fmt::Result {
    write!(out, "{error}")?;
    std::iter::successors(error.source(), |&error| error.source()).try_for_each(|cause| write!(out, ": {cause}"))
}

/// Like [`format_chain`], but for users: errors of the operating system are described in words.
pub fn format_for_users(error: &(dyn Error + 'static)) -> String {
    let texts = std::iter::successors(Some(error), |&error| error.source())
        .map(|error| error.downcast_ref::<io::Error>().map_or_else(|| error.to_string(), describe_io_error));
    texts.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
