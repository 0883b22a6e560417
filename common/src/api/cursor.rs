//! The text form of cursors: a prefix letter and lower-case hexadecimal numbers.

use std::fmt;

/// Text that is not a cursor of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a cursor from a previous page")]
pub struct CursorError;

/// Parses a cursor that starts with `prefix`. `parse_rest` parses the text after the prefix.
///
/// Rejects text that differs from the `Display` output of the cursor, so that each position has exactly one text form.
pub(super) fn parse_cursor<T: fmt::Display>(
    text: &str,
    prefix: char,
    parse_rest: impl FnOnce(&str) -> Option<T>,
) -> Result<T, CursorError> {
    text.strip_prefix(prefix).and_then(parse_rest).filter(|cursor| cursor.to_string() == text).ok_or(CursorError)
}

/// Parses a non-negative hexadecimal number that fits into `T`.
pub(super) fn parse_hex<T: TryFrom<u64>>(digits: &str) -> Option<T> {
    u64::from_str_radix(digits, 16).ok()?.try_into().ok()
}
