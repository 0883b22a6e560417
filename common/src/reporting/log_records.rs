//! Conversion of log records to reports.

use serde_json::Map;

use super::{ReportQueue, instance_name, sender};
use crate::{
    api::reports::Report,
    telemetry::{LogRecord, WarningSink},
};

/// The crates that send reports over HTTP. Their log records do not become reports: a failing report would otherwise cause
/// further reports.
const TRANSPORT_CRATES: [&str; 5] = ["h2", "hyper", "hyper_util", "reqwest", "rustls"];

/// A sink for [`telemetry::init`](crate::telemetry::init) that queues each log record that it receives as a report.
pub fn warning_sink(queue: ReportQueue) -> WarningSink {
    WarningSink {
        receive: Box::new(move |record| queue.push(into_report(record))),
        transport_target: sender::TARGET,
        transport_crates: &TRANSPORT_CRATES,
    }
}

fn into_report(record: LogRecord) -> Report {
    let LogRecord { at, level, service, request_id, trace_id, message, fields, target } = record;
    let mut data = Map::new();
    data.insert("at".to_owned(), at.to_string().into());
    data.insert("instance".to_owned(), instance_name().into());
    data.insert("target".to_owned(), target.into());
    if let Some(id) = request_id {
        data.insert("request_id".to_owned(), id.into());
    }
    if let Some(id) = trace_id {
        data.insert("trace_id".to_owned(), id.into());
    }
    if !fields.is_empty() {
        data.insert("fields".to_owned(), fields.into());
    }
    Report { level, service, status: message, data: data.into() }
}

#[cfg(test)]
mod tests;
