//! How a line looks.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Format, record::Record};
use crate::{level::Level, time::Timestamp};

#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) format: Format,
    pub(super) colours: bool,
}

/// A line as JSON; the order of the fields is the order in the line.
#[derive(Serialize)]
struct JsonLine<'a> {
    timestamp: Timestamp,
    level: &'static str,
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: &'a Map<String, Value>,
    target: &'a str,
}

impl Style {
    /// The line with its end. Nothing that is logged can add a line or an escape sequence of its own.
    pub(super) fn line(self, record: &Record) -> String {
        let mut line = match self.format {
            Format::Pretty => self.pretty(record),
            Format::Json => json(record),
        };
        line.push('\n');
        line
    }

    fn pretty(self, record: &Record) -> String {
        let time = record.at.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true);
        let (faint, level_colour, plain) =
            if self.colours { ("\x1b[2m", colour(record.level), "\x1b[0m") } else { ("", "", "") };
        let level = name(record.level);
        let mut line = format!("{faint}{time}{plain} {level_colour}{level:<8}{plain} ");
        escape(&mut line, &record.service);
        line.push_str("  ");
        escape(&mut line, &record.message);
        line.push_str(faint);
        for (name, value) in &record.fields {
            let _ = write!(line, "  {name}=");
            match value {
                Value::String(text) if is_word(text) => line.push_str(text),
                // Rust's own quoting, which leaves nothing in it that a terminal would obey.
                Value::String(text) => {
                    let _ = write!(line, "{text:?}");
                }
                other => {
                    let _ = write!(line, "{other}");
                }
            }
        }
        if let Some(id) = &record.request_id {
            line.push_str("  request_id=");
            escape(&mut line, id);
        }
        line.push_str(plain);
        line
    }
}

fn json(record: &Record) -> String {
    let Record { at, level, service, request_id, message, fields, target } = record;
    let request_id = request_id.as_deref();
    let line = JsonLine { timestamp: *at, level: name(*level), service, request_id, message, fields, target };
    serde_json::to_string(&line).unwrap_or_default()
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Critical => "CRITICAL",
        Level::Error => "ERROR",
        Level::Warning => "WARNING",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
    }
}

/// The escape sequence of a terminal.
fn colour(level: Level) -> &'static str {
    match level {
        Level::Critical => "\x1b[1;37;41m",
        Level::Error => "\x1b[31m",
        Level::Warning => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug => "\x1b[34m",
    }
}

/// Whether a value can stand without quotes.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || (c.is_ascii_graphic() && !"\"'=".contains(c)))
}

fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
}
