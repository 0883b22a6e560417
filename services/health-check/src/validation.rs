//! Validates incoming reports. Fills the fields that a heartbeat may omit.

use common::api::{
    FieldError,
    health::{Component, Heartbeat},
    reports::{MAX_REPORT_DATA, MAX_STATUS, Report, json_len},
};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;

/// Maximum number of characters of a name or a version.
const MAX_NAME: usize = 64;
/// Maximum number of characters of the detail of a component.
const MAX_DETAIL: usize = 1024;
/// Maximum number of components of an instance.
const MAX_COMPONENTS: usize = 64;
/// One day. At a longer interval, a missing instance would be detected too late.
const MAX_INTERVAL_SECS: u64 = 86_400;
/// The instance of a heartbeat without a name.
const DEFAULT_INSTANCE: &str = "default";
const DEFAULT_INTERVAL_SECS: u64 = 60;

/// Checks every field and names each invalid one.
pub(crate) fn check_report(report: &Report) -> Result<(), Error> {
    let mut errors = Vec::new();
    if !is_name(&report.service) {
        errors.push(FieldError::new("service", NAME_RULE));
    }
    if !(1..=MAX_STATUS).contains(&report.status.chars().count()) {
        errors.push(FieldError::new("status", format!("must have 1 to {MAX_STATUS} characters")));
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    if json_len(&report.data) > MAX_REPORT_DATA {
        return Err(Error::DataTooLarge);
    }
    Ok(())
}

const NAME_RULE: &str = "must have 1 to 64 characters; letters, digits and - _ . : are allowed";

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

/// The data of a heartbeat. Every field may be omitted.
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

/// Parses the data of a heartbeat. Missing data counts as an empty object.
pub(crate) fn parse_heartbeat(data: &Value) -> Result<Heartbeat, Error> {
    let parsed = if data.is_null() { Ok(HeartbeatData::default()) } else { HeartbeatData::deserialize(data) };
    let parsed = parsed.map_err(|error| Error::Invalid(vec![FieldError::new("data", error)]))?;
    let HeartbeatData { instance, version, interval_secs, uptime_secs, ready, parts } = parsed;
    let mut errors = Vec::new();
    let mut check = |valid: bool, field: &str, rule: String| {
        if !valid {
            errors.push(FieldError::new(field, rule));
        }
    };
    check(is_name(&instance), "data.instance", NAME_RULE.to_owned());
    check(version.chars().count() <= MAX_NAME, "data.version", format!("must have at most {MAX_NAME} characters"));
    check(
        (1..=MAX_INTERVAL_SECS).contains(&interval_secs),
        "data.interval_secs",
        format!("must be from 1 to {MAX_INTERVAL_SECS}"),
    );
    check(parts.len() <= MAX_COMPONENTS, "data.parts", format!("must have at most {MAX_COMPONENTS} parts"));
    let fits = |part: &Component| {
        (1..=MAX_NAME).contains(&part.name.chars().count())
            && part.detail.as_ref().is_none_or(|detail| detail.chars().count() <= MAX_DETAIL)
    };
    let rule = format!("must each have a name of 1 to {MAX_NAME} characters and a detail of at most {MAX_DETAIL}");
    check(parts.iter().all(fits), "data.parts", rule);
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    Ok(Heartbeat { instance, version, interval_secs, uptime_secs, ready, parts })
}

#[cfg(test)]
mod tests;
