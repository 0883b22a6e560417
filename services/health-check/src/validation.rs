//! Reports as they come in: what is allowed in one, and what is taken for granted where it says nothing.

use common::api::{
    FieldError,
    health::{Component, Heartbeat},
    reports::{MAX_REPORT_DATA, MAX_STATUS, Report, json_len},
};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;

const MAX_NAME: usize = 64;
const MAX_DETAIL: usize = 1024;
const MAX_PARTS: usize = 64;
/// A day: an instance that calls less often might as well not.
const MAX_INTERVAL_SECS: u64 = 86_400;
/// What an instance is called that does not name itself.
const DEFAULT_INSTANCE: &str = "default";
const DEFAULT_INTERVAL_SECS: u64 = 60;

/// Checks every field and names each that is wrong.
pub(crate) fn check_report(report: &Report) -> Result<(), Error> {
    let mut faults = Vec::new();
    if !is_name(&report.service) {
        faults.push(FieldError::new("service", NAME_RULE));
    }
    if !(1..=MAX_STATUS).contains(&report.status.chars().count()) {
        faults.push(FieldError::new("status", format!("must have 1 to {MAX_STATUS} characters")));
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    if json_len(&report.data) > MAX_REPORT_DATA {
        return Err(Error::DataTooLarge);
    }
    Ok(())
}

const NAME_RULE: &str = "must have 1 to 64 characters, each a letter, a digit or one of - _ . :";

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

/// The data of a call, of which a caller may leave out what it does not know.
#[derive(Deserialize)]
#[serde(default)]
struct HeartbeatData {
    instance: String,
    version: String,
    interval_secs: u64,
    uptime_secs: u64,
    ready: bool,
    parts: Vec<Component>,
}

impl Default for HeartbeatData {
    fn default() -> Self {
        Self {
            instance: DEFAULT_INSTANCE.to_owned(),
            version: String::new(),
            interval_secs: DEFAULT_INTERVAL_SECS,
            uptime_secs: 0,
            ready: true,
            parts: Vec::new(),
        }
    }
}

/// Reads the data of a call.
pub(crate) fn parse_heartbeat(data: &Value) -> Result<Heartbeat, Error> {
    let read = if data.is_null() { Ok(HeartbeatData::default()) } else { HeartbeatData::deserialize(data) };
    let read = read.map_err(|error| Error::Invalid(vec![FieldError::new("data", error)]))?;
    let HeartbeatData { instance, version, interval_secs, uptime_secs, ready, parts } = read;
    let mut faults = Vec::new();
    let mut check = |right: bool, field: &str, rule: String| {
        if !right {
            faults.push(FieldError::new(field, rule));
        }
    };
    check(is_name(&instance), "data.instance", NAME_RULE.to_owned());
    check(version.chars().count() <= MAX_NAME, "data.version", format!("must have at most {MAX_NAME} characters"));
    check(
        (1..=MAX_INTERVAL_SECS).contains(&interval_secs),
        "data.interval_secs",
        format!("must be from 1 to {MAX_INTERVAL_SECS}"),
    );
    check(parts.len() <= MAX_PARTS, "data.parts", format!("must have at most {MAX_PARTS} parts"));
    let fits = |part: &Component| {
        (1..=MAX_NAME).contains(&part.name.chars().count())
            && part.detail.as_ref().is_none_or(|detail| detail.chars().count() <= MAX_DETAIL)
    };
    let rule = format!("must each have a name of 1 to {MAX_NAME} and a detail of at most {MAX_DETAIL} characters");
    check(parts.iter().all(fits), "data.parts", rule);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    Ok(Heartbeat { instance, version, interval_secs, uptime_secs, ready, parts })
}

#[cfg(test)]
mod tests;
