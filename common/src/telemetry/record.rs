//! One event with all that is known of it.

use std::{error::Error, fmt, fmt::Write as _};

use serde_json::{Map, Value};
use tracing::{
    Metadata,
    field::{Field, Visit},
};

use crate::{
    api::reports::Report, error_chain::write_error_chain, level::Level, reporting::instance_name,
    request_context::RequestContext, time::Timestamp,
};

/// Most bytes of one text in an event; what is longer is cut, for a log is no place for whole bodies.
const MAX_TEXT: usize = 4 * 1024;

/// The fields of an event or a span, the ones that mean something to us apart.
#[derive(Default)]
pub(super) struct Fields {
    critical: bool,
    service: Option<String>,
    request_id: Option<String>,
    message: Option<String>,
    others: Map<String, Value>,
}

impl Fields {
    /// Takes over what a span around it says, where it does not say so itself.
    pub(super) fn inherit(&mut self, outer: &Self) {
        if self.service.is_none() {
            self.service.clone_from(&outer.service);
        }
        if self.request_id.is_none() {
            self.request_id.clone_from(&outer.request_id);
        }
        for (name, value) in &outer.others {
            if !self.others.contains_key(name) {
                self.others.insert(name.clone(), value.clone());
            }
        }
    }

    /// Takes over whose work it is part of, where neither it nor a span around it says so.
    pub(super) fn belong_to(&mut self, current: &RequestContext) {
        self.service.get_or_insert_with(|| current.service.to_owned());
        self.request_id.get_or_insert_with(|| current.id.to_string());
    }

    pub(super) fn into_record(self, level: Level, metadata: &Metadata<'static>, service: &'static str) -> Record {
        Record {
            at: Timestamp::now(),
            level,
            service: self.service.unwrap_or_else(|| service.to_owned()),
            request_id: self.request_id,
            message: self.message.filter(|text| !text.is_empty()).unwrap_or_else(|| metadata.name().to_owned()),
            fields: self.others,
            target: metadata.target(),
        }
    }

    fn text(&mut self, name: &str, text: String) {
        match name {
            "message" => self.message = Some(text),
            "service" => self.service = Some(text),
            "request_id" => self.request_id = Some(text),
            _ => self.other(name, text),
        }
    }

    fn other(&mut self, name: &str, value: impl Into<Value>) {
        self.others.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded::default();
        // Fails where the text is full.
        let _ = write!(text, "{value:?}");
        self.text(field.name(), text.0);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let mut text = Bounded::default();
        let _ = text.write_str(value);
        self.text(field.name(), text.0);
    }

    /// With all that caused it.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = Bounded::default();
        let _ = write_error_chain(&mut text, value);
        self.text(field.name(), text.0);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "critical" {
            self.critical = value;
        } else {
            self.other(field.name(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.other(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.other(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.other(field.name(), value);
    }
}

/// A text that takes no more than [`MAX_TEXT`] bytes, and ends in `…` where it was cut.
#[derive(Default)]
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = MAX_TEXT.saturating_sub(self.0.len());
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        if left > 0 {
            self.0.push_str(&text[..text.floor_char_boundary(left)]);
            self.0.push('…');
        }
        Err(fmt::Error)
    }
}

/// The level of an event in our own terms.
pub(super) fn level_of(metadata: &Metadata<'_>, fields: &Fields) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR if fields.critical => Level::Critical,
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warning,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    }
}

/// An event, ready to be written or reported.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    pub(super) level: Level,
    pub(super) service: String,
    pub(super) request_id: Option<String>,
    pub(super) message: String,
    pub(super) fields: Map<String, Value>,
    pub(super) target: &'static str,
}

impl Record {
    pub(super) fn into_report(self) -> Report {
        let mut data = Map::new();
        data.insert("at".to_owned(), self.at.to_string().into());
        data.insert("instance".to_owned(), instance_name().into());
        data.insert("target".to_owned(), self.target.into());
        if let Some(id) = self.request_id {
            data.insert("request_id".to_owned(), id.into());
        }
        if !self.fields.is_empty() {
            data.insert("fields".to_owned(), self.fields.into());
        }
        Report { level: self.level, service: self.service, status: self.message, data: data.into() }
    }
}

/// Told once the output takes lines again.
pub(super) fn lost_lines(service: &'static str, count: u64) -> Record {
    Record {
        at: Timestamp::now(),
        level: Level::Warning,
        service: service.to_owned(),
        request_id: None,
        message: "log lines were lost, for they were not read fast enough".to_owned(),
        fields: Map::from_iter([("count".to_owned(), count.into())]),
        target: module_path!(),
    }
}
