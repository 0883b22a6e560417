//! One log event with its fields.

use std::{error::Error, fmt, fmt::Write as _};

use serde_json::{Map, Value};
use tracing::{
    Metadata,
    field::{Field, Visit},
};

use crate::{error_chain::write_error_chain, level::Level, request_context::RequestContext, time::Timestamp};

/// An event with this field is reported to health-check, whatever its level.
pub(super) const REPORTED: &str = "reported";

/// Maximum length of one text value in bytes. Longer values, such as whole bodies, are truncated.
const MAX_TEXT: usize = 4 * 1024;

/// The fields of an event or a span. Fields with a special meaning are stored separately.
#[derive(Default)]
pub(super) struct Fields {
    critical: bool,
    service: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
    message: Option<String>,
    others: Map<String, Value>,
}

impl Fields {
    /// Adds the fields of an enclosing span. A field that is already set does not change.
    pub(super) fn inherit(&mut self, outer: &Self) {
        if self.service.is_none() {
            self.service.clone_from(&outer.service);
        }
        if self.request_id.is_none() {
            self.request_id.clone_from(&outer.request_id);
        }
        if self.trace_id.is_none() {
            self.trace_id.clone_from(&outer.trace_id);
        }
        for (name, value) in &outer.others {
            if !self.others.contains_key(name) {
                self.others.insert(name.clone(), value.clone());
            }
        }
    }

    /// Adds the service, the id and the trace id of the current request, unless the event or a span has set them.
    pub(super) fn add_request(&mut self, request: &RequestContext) {
        self.service.get_or_insert_with(|| request.service.to_owned());
        self.request_id.get_or_insert_with(|| request.id.to_string());
        if let Some(trace) = &request.trace {
            self.trace_id.get_or_insert_with(|| trace.id().to_string());
        }
    }

    pub(super) fn into_record(self, level: Level, metadata: &Metadata<'static>, service: &'static str) -> LogRecord {
        LogRecord {
            at: Timestamp::now(),
            level,
            service: self.service.unwrap_or_else(|| service.to_owned()),
            request_id: self.request_id,
            trace_id: self.trace_id,
            message: self.message.filter(|text| !text.is_empty()).unwrap_or_else(|| metadata.name().to_owned()),
            fields: self.others,
            target: metadata.target(),
        }
    }

    fn set_text(&mut self, name: &str, text: String) {
        match name {
            "message" => self.message = Some(text),
            "service" => self.service = Some(text),
            "request_id" => self.request_id = Some(text),
            "trace_id" => self.trace_id = Some(text),
            _ => self.set_other(name, text),
        }
    }

    fn set_other(&mut self, name: &str, value: impl Into<Value>) {
        self.others.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = TruncatingText::default();
        // `write!` fails if the text is truncated.
        let _ = write!(text, "{value:?}");
        self.set_text(field.name(), text.0);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = TruncatingText::default();
        let _ = text.write_str(value);
        self.set_text(field.name(), text.0);
    }

    /// Records the error with its causes.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = TruncatingText::default();
        let _ = write_error_chain(&mut text, value);
        self.set_text(field.name(), text.0);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "critical" {
            self.critical = value;
        } else if field.name() != REPORTED {
            self.set_other(field.name(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set_other(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set_other(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set_other(field.name(), value);
    }
}

/// The first [`MAX_TEXT`] bytes of a text. A truncated text ends in `…`.
#[derive(Default)]
struct TruncatingText(String);

impl fmt::Write for TruncatingText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_TEXT.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        self.0.push('…');
        Err(fmt::Error)
    }
}

/// The [`Level`] of an event: an error event with the field `critical` is critical, and trace counts as debug.
pub(super) fn level_of(metadata: &Metadata<'_>, fields: &Fields) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR if fields.critical => Level::Critical,
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    }
}

/// A log event, ready to be written or forwarded.
#[derive(Debug)]
pub struct LogRecord {
    pub at: Timestamp,
    pub level: Level,
    pub service: String,
    pub request_id: Option<String>,
    pub trace_id: Option<String>,
    pub message: String,
    pub fields: Map<String, Value>,
    /// The module that logged the event.
    pub target: &'static str,
}

/// A warning that `count` lines were dropped.
pub(super) fn dropped_lines(service: &'static str, count: u64) -> LogRecord {
    LogRecord {
        at: Timestamp::now(),
        level: Level::Warning,
        service: service.to_owned(),
        request_id: None,
        trace_id: None,
        message: "log lines were dropped because the reader of the log is too slow".to_owned(),
        fields: Map::from_iter([("count".to_owned(), count.into())]),
        target: module_path!(),
    }
}
