//! Validates incoming reports. Fills the fields that a heartbeat may omit.

use std::collections::BTreeSet;

use common::{
    api::{
        FieldError,
        health::{Component, Heartbeat, MAX_NAME, Machine, Measurement},
        reports::{MAX_REPORT_DATA, MAX_STATUS, Report, json_len},
    },
    server::parse_field,
    spelling::must_be_one_of,
    text::describe_refused,
};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;

/// Upper limit of the interval of heartbeats: one day. A longer interval is clamped, because a missing instance would
/// be detected too late.
const MAX_INTERVAL_SECS: u64 = 86_400;
/// The instance name of a heartbeat that contains none.
const DEFAULT_INSTANCE: &str = "default";
const DEFAULT_INTERVAL_SECS: u64 = 60;

/// Returns an error if the value of a field is not one of the known names.
pub(crate) fn check_name(field: &str, name: &str, known: &BTreeSet<String>) -> Option<FieldError> {
    (!known.contains(name)).then(|| FieldError::new(field, must_be_one_of(name, known)))
}

/// Every invalid field of a report. The data of a report is checked only if the report is a heartbeat.
pub(crate) fn invalid_fields(report: &Report) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !is_name(&report.service) {
        errors.push(FieldError::new("service", describe_refused(NAME_RULE, &report.service)));
    }
    if !(1..=MAX_STATUS).contains(&report.status.chars().count()) {
        let rule = format!("must have 1 to {MAX_STATUS} characters");
        errors.push(FieldError::new("status", describe_refused(rule, &report.status)));
    }
    if report.is_heartbeat() {
        errors.extend(parse_heartbeat(&report.data).err().into_iter().flatten());
    }
    errors
}

/// Checks a report. The error lists each invalid field, or states that the data is too large.
pub(crate) fn check_report(report: &Report) -> Result<(), Error> {
    let errors = invalid_fields(report);
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    // Too much data is an error, except in a heartbeat. The data of a heartbeat is cut, because refusing the heartbeat
    // would leave an outdated state.
    if !report.is_heartbeat() && json_len(&report.data) > MAX_REPORT_DATA {
        return Err(Error::DataTooLarge);
    }
    Ok(())
}

const NAME_RULE: &str = "must have 1 to 64 characters; letters, digits and - _ . : are allowed";

pub(crate) fn is_name(text: &str) -> bool {
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
    port: Option<u16>,
    update: bool,
    next_within_secs: Option<u64>,
    measurements: Vec<Measurement>,
    machine: Option<Machine>,
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
            port: None,
            update: false,
            next_within_secs: None,
            measurements: Vec::new(),
            machine: None,
        }
    }
}

/// Parses the data of a heartbeat. Missing data counts as an empty object. Components without a name are omitted.
/// Intervals are clamped. Texts and lists beyond their limits are shortened. The error names each field with a wrong
/// type, or an invalid name of the instance.
pub(crate) fn parse_heartbeat(data: &Value) -> Result<Heartbeat, Vec<FieldError>> {
    let parsed = if data.is_null() { HeartbeatData::default() } else { parse_field("data", data)? };
    let HeartbeatData {
        instance,
        version,
        interval_secs,
        uptime_secs,
        ready,
        mut parts,
        port,
        update,
        next_within_secs,
        measurements,
        machine,
    } = parsed;
    let instance: String = instance.chars().take(MAX_NAME).collect();
    if !is_name(&instance) {
        return Err(vec![FieldError::new("data.instance", describe_refused(NAME_RULE, &instance))]);
    }
    parts.retain(|part| !part.name.is_empty());
    let interval_secs = interval_secs.clamp(1, MAX_INTERVAL_SECS);
    let next_within_secs = next_within_secs.map(|secs| secs.clamp(1, MAX_INTERVAL_SECS));
    let heartbeat = Heartbeat {
        instance,
        version,
        interval_secs,
        uptime_secs,
        ready,
        parts,
        port,
        update,
        next_within_secs,
        measurements,
        machine,
    };
    Ok(heartbeat.bounded())
}

#[cfg(test)]
mod tests;
