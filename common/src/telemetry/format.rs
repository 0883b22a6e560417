//! The text of a log line.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Format, record::LogRecord};
use crate::{level::Level, time::Timestamp};

#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) format: Format,
    pub(super) colours: bool,
}

/// A line as JSON. The order of the struct fields is the order in the line.
#[derive(Serialize)]
struct JsonLine<'a> {
    timestamp: Timestamp,
    level: &'static str,
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: &'a Map<String, Value>,
    target: &'a str,
}

impl Style {
    /// The line with its line break. Logged text is escaped, so it cannot inject lines or terminal escape sequences.
    pub(super) fn line(self, record: &LogRecord) -> String {
        let mut line = match self.format {
            Format::Pretty => self.pretty(record),
            Format::Json => json(record),
        };
        line.push('\n');
        line
    }

    fn pretty(self, record: &LogRecord) -> String {
        let time = record.at.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true);
        let (faint, level_colour, reset) =
            if self.colours { ("\x1b[2m", colour(record.level), "\x1b[0m") } else { ("", "", "") };
        let level = level_name(record.level);
        let mut line = format!("{faint}{time}{reset} {level_colour}{level:<8}{reset} ");
        push_escaped(&mut line, &record.service);
        line.push_str("  ");
        push_escaped(&mut line, &record.message);
        line.push_str(faint);
        for (name, value) in &record.fields {
            let _ = write!(line, "  {name}=");
            match value {
                Value::String(text) if is_word(text) => line.push_str(text),
                // Rust's debug quoting escapes all control characters.
                Value::String(text) => {
                    let _ = write!(line, "{text:?}");
                }
                other => {
                    let _ = write!(line, "{other}");
                }
            }
        }
        for (name, id) in [("request_id", &record.request_id), ("trace_id", &record.trace_id)] {
            if let Some(id) = id {
                let _ = write!(line, "  {name}=");
                push_escaped(&mut line, id);
            }
        }
        line.push_str(reset);
        line
    }
}

fn json(record: &LogRecord) -> String {
    let LogRecord { at, level, service, request_id, trace_id, message, fields, target } = record;
    let line = JsonLine {
        timestamp: *at,
        level: level_name(*level),
        service,
        request_id: request_id.as_deref(),
        trace_id: trace_id.as_deref(),
        message,
        fields,
        target,
    };
    escape_rest(serde_json::to_string(&line).unwrap_or_default())
}

/// Escapes the control characters from U+007F on. `serde_json` escapes only control characters below U+0020.
fn escape_rest(json: String) -> String {
    if !json.contains(char::is_control) {
        return json;
    }
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Critical => "CRITICAL",
        Level::Error => "ERROR",
        Level::Warning => "WARNING",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
    }
}

/// The terminal escape sequence for the colour of a level.
fn colour(level: Level) -> &'static str {
    match level {
        Level::Critical => "\x1b[1;37;41m",
        Level::Error => "\x1b[31m",
        Level::Warning => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug => "\x1b[34m",
    }
}

/// Whether a value is unambiguous without quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || (c.is_ascii_graphic() && !"\"'=".contains(c)))
}

/// Appends `text` with its control characters escaped.
fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
}
