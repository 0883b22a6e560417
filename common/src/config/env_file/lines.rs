//! Parses the lines of a settings file. The lines after an invalid line are parsed too.

use std::{
    cell::Cell,
    io::{self, Read},
};

/// The content of a settings file.
#[derive(Debug, Default)]
pub(super) struct ParsedLines<'a> {
    /// The names with their values up to the first line with an open quote, in the order of the file.
    pub(super) pairs: Vec<(String, String)>,
    /// The pairs after the first line with an open quote. They may be parts of a secret, so they must not be shown.
    pub(super) pairs_after_open_quote: Vec<(String, String)>,
    /// In the order of the file.
    pub(super) invalid: Vec<NumberedLine<'a>>,
}

/// Why a line is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    /// The line is no assignment, or its value needs quotes.
    Form,
    /// The line opens a quote that it does not close.
    OpenQuote,
    /// A `$` refers to a name that is not set. dotenvy would replace the reference with an empty text.
    UnsetReference,
}

/// A line that is refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberedLine<'a> {
    /// From 1 on.
    pub(super) number: usize,
    pub(super) text: &'a str,
    pub(super) fault: LineFault,
}

impl<'a> ParsedLines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let mut parsed = Self::default();
        let open = lines.iter().enumerate().filter(|(_, line)| has_open_quote(line));
        parsed.invalid =
            open.map(|(index, text)| NumberedLine { number: index + 1, text, fault: LineFault::OpenQuote }).collect();
        let first_open = parsed.invalid.first().map_or(usize::MAX, |line| line.number);
        // The parser would read an open quote up to the next quote in a later line, so an empty line replaces each line
        // with an open quote.
        let closed: Vec<_> = lines.iter().map(|line| if has_open_quote(line) { "\n" } else { *line }).collect();
        let next_line = Cell::new(0);
        for pair in dotenvy::from_read_iter(LineReader { lines: &closed, next_line: &next_line, bytes_read: 0 }) {
            let number = next_line.get();
            let text = lines[number.saturating_sub(1)];
            let is_set = |name: &str| {
                let pairs = parsed.pairs.iter().chain(&parsed.pairs_after_open_quote);
                std::env::var_os(name).is_some() || pairs.into_iter().any(|(known, _)| known == name)
            };
            let refers_to_unset = pair.is_ok() && has_unset_reference(text, is_set);
            match pair {
                Ok(_) if refers_to_unset => {
                    parsed.invalid.push(NumberedLine { number, text, fault: LineFault::UnsetReference });
                }
                Ok(pair) if number > first_open => parsed.pairs_after_open_quote.push(pair),
                Ok(pair) => parsed.pairs.push(pair),
                Err(_) => parsed.invalid.push(NumberedLine { number, text, fault: LineFault::Form }),
            }
        }
        parsed.invalid.sort_by_key(|line| line.number);
        parsed
    }
}

/// Whether the line opens a quote that it does not close. Applies the rules of dotenvy: a backslash escapes the next
/// character, inside and outside quotes, and `#` begins a comment at the start of the line or after one space.
fn has_open_quote(line: &str) -> bool {
    if line.trim_start().starts_with('#') {
        return false;
    }
    let (mut open, mut is_escaped, mut is_after_space) = (None, false, false);
    for c in line.chars() {
        let is_space = open.is_none() && !is_escaped && !is_after_space && c.is_whitespace() && c != '\r';
        match open {
            _ if is_escaped => is_escaped = false,
            _ if c == '\\' => is_escaped = true,
            Some(quote) if quote == c => open = None,
            None if c == '#' && is_after_space => return false,
            None if matches!(c, '"' | '\'') => open = Some(c),
            Some(_) | None => {}
        }
        is_after_space = is_space;
    }
    open.is_some()
}

/// Whether a `$` outside single quotes refers to a name for which `is_set` is false, such as `$NAME` or `${NAME}`. A
/// backslash escapes the `$`.
fn has_unset_reference(line: &str, is_set: impl Fn(&str) -> bool) -> bool {
    if line.trim_start().starts_with('#') {
        return false;
    }
    let (mut open, mut is_escaped, mut is_after_space) = (None, false, false);
    for (index, c) in line.char_indices() {
        match open {
            _ if is_escaped => is_escaped = false,
            _ if c == '\\' => is_escaped = true,
            Some(quote) if quote == c => open = None,
            None if c == '#' && is_after_space => return false,
            None if matches!(c, '"' | '\'') => open = Some(c),
            None | Some('"') if c == '$' => {
                let reference = line[index + 1..].trim_start_matches('{');
                let end = reference.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(reference.len());
                if !is_set(&reference[..end]) {
                    return true;
                }
            }
            Some(_) | None => {}
        }
        is_after_space = open.is_none() && c.is_whitespace();
    }
    false
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
    /// The index of the first line that is not completely read.
    next_line: &'a Cell<usize>,
    /// Number of bytes of this line that are already read.
    bytes_read: usize,
}

impl Read for LineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(line) = self.lines.get(self.next_line.get()) else { return Ok(0) };
        let read = (&line.as_bytes()[self.bytes_read..]).read(buffer)?;
        self.bytes_read += read;
        if self.bytes_read == line.len() {
            self.bytes_read = 0;
            self.next_line.set(self.next_line.get() + 1);
        }
        Ok(read)
    }
}
