//! Parses the lines of a settings file. A line that cannot be parsed does not hide the lines after it.

use std::{
    cell::Cell,
    io::{self, Read},
};

use dotenvy::Error;

/// The content of a settings file.
#[derive(Debug, Default)]
pub(super) struct ParsedLines<'a> {
    /// The names with their values up to the first value with a line break, in the order of the file.
    pub(super) pairs: Vec<(String, String)>,
    /// The pairs after it. If the closing quote of a value is missing, the value extends to the opening quote of a later value. The text
    /// of the later value, which may be a secret, is then parsed as lines, so the names in these lines must not be shown.
    pub(super) pairs_after_line_break: Vec<NumberedPair>,
    /// The pairs of the lines after a quote that is not closed. Such a line may be a part of a secret, so it must not be shown.
    pub(super) pairs_after_open_quote: Vec<(String, String)>,
    pub(super) invalid: Vec<NumberedLine<'a>>,
}

/// A name with its value, and the number of the line where the value ends, from 1 on.
#[derive(Debug)]
pub(super) struct NumberedPair {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// A line, and its number from 1 on.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberedLine<'a> {
    pub(super) number: usize,
    pub(super) text: &'a str,
}

impl<'a> ParsedLines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let mut parsed = Self::default();
        // If the first call does not read all lines, it ends at a quote that is not closed.
        let mut next = parsed.add_from(0, &lines);
        let mut rest = Self::default();
        while next < lines.len() {
            next = rest.add_from(next, &lines);
        }
        let after_line_break = rest.pairs_after_line_break.into_iter().map(|pair| (pair.name, pair.value));
        parsed.pairs_after_open_quote = rest.pairs.into_iter().chain(after_line_break).collect();
        parsed.invalid.extend(rest.invalid);
        parsed
    }

    /// Parses the lines from index `first` on. Returns the index of the line with which to continue.
    fn add_from(&mut self, first: usize, lines: &[&'a str]) -> usize {
        let end = Cell::new(first);
        let mut is_after_line_break = !self.pairs_after_line_break.is_empty();
        for pair in dotenvy::from_read_iter(LineReader { lines, end: &end, sent: 0 }) {
            match pair {
                Ok((name, value)) if is_after_line_break => {
                    self.pairs_after_line_break.push(NumberedPair { number: end.get(), name, value });
                }
                Ok((name, value)) => {
                    is_after_line_break = value.contains('\n');
                    self.pairs.push((name, value));
                }
                Err(error) => {
                    // A value in quotes may have several lines. The error contains all of them.
                    let further = match &error {
                        Error::LineParse(invalid, _) => {
                            invalid.strip_suffix('\n').unwrap_or(invalid).matches('\n').count()
                        }
                        _ => 0,
                    };
                    is_after_line_break |= further > 0;
                    let index = end.get().saturating_sub(1 + further).max(first);
                    self.invalid.push(NumberedLine { number: index + 1, text: lines[index] });
                    // A quote that is not closed extends to the end of the file. The lines after the quote are parsed on their own.
                    if further > 0 && end.get() == lines.len() {
                        return index + 1;
                    }
                }
            }
        }
        lines.len()
    }
}

/// The name that a line sets. `None` if the line is not an assignment.
pub(super) fn name_in(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    Some(name.strip_prefix("export ").map_or(name, str::trim))
}

/// Reads one line at a time, so that the position of the parser is known.
struct LineReader<'a> {
    lines: &'a [&'a str],
    /// The index of the line after the last one that was read.
    end: &'a Cell<usize>,
    /// The bytes of the current line that were read already.
    sent: usize,
}

impl Read for LineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(line) = self.lines.get(self.end.get()) else { return Ok(0) };
        let read = (&line.as_bytes()[self.sent..]).read(buffer)?;
        self.sent += read;
        if self.sent == line.len() {
            self.sent = 0;
            self.end.set(self.end.get() + 1);
        }
        Ok(read)
    }
}
