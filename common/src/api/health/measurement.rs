//! Measured values of a machine, a process, or a component of a service.

use std::fmt;

use poem_openapi::Object;
use serde::{Deserialize, Serialize};

/// Maximum number of characters of a short text in a heartbeat, such as a name, a unit or a version.
pub const MAX_NAME: usize = 64;
/// Maximum number of measurements of a machine, a process or a component.
const MAX_MEASUREMENTS: usize = 32;
/// Maximum number of characters of a subject, such as the path of a folder.
const MAX_SUBJECT: usize = 256;

/// A measured value.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Measurement {
    /// The name of the measured quantity, such as `memory_available`.
    pub name: String,
    /// The measured object if there may be several, such as the folder of a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub subject: Option<String>,
    pub value: i64,
    /// The largest possible value, such as the size of a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    pub max: Option<i64>,
    /// The unit of both values: `bytes`, `percent`, `milliseconds`, or the counted objects, such as `connections`.
    pub unit: String,
}

impl Measurement {
    pub const BYTES: &'static str = "bytes";
    pub const PERCENT: &'static str = "percent";
    pub const MILLISECONDS: &'static str = "milliseconds";

    /// The share of time in which the processors were busy.
    pub const PROCESSOR_USED: &'static str = "processor_used";
    pub const PROCESSORS: &'static str = "processors";
    /// The mean number of tasks that ran or waited for a processor in the last minute, in percent of the number of processors.
    pub const LOAD: &'static str = "load";
    pub const MEMORY_AVAILABLE: &'static str = "memory_available";
    pub const MEMORY_USED: &'static str = "memory_used";
    pub const DISK_AVAILABLE: &'static str = "disk_available";
    pub const OPEN_FILES: &'static str = "open_files";
    pub const CONNECTIONS_USED: &'static str = "connections_used";
    pub const DATABASE_SIZE: &'static str = "database_size";
    pub const SLOW_STATEMENTS: &'static str = "slow_statements";
    pub const STANDBYS: &'static str = "standbys";
    pub const REPLICATION_LAG: &'static str = "replication_lag";
    /// How far the clock of the service is ahead of the clock of the database.
    pub const CLOCK_OFFSET: &'static str = "clock_offset";
    pub const WAITING_COMMANDS: &'static str = "waiting_commands";

    /// A value beyond the range of `i64` becomes the largest `i64`.
    pub fn new(name: &str, value: impl TryInto<i64>, unit: &str) -> Self {
        let value = value.try_into().unwrap_or(i64::MAX);
        Self { name: name.to_owned(), subject: None, value, max: None, unit: unit.to_owned() }
    }

    /// Sets the largest possible value. A maximum beyond the range of `i64` is omitted.
    #[must_use]
    pub fn with_max(self, max: impl TryInto<i64>) -> Self {
        Self { max: max.try_into().ok(), ..self }
    }

    #[must_use]
    pub fn with_subject(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The value in percent of the largest possible value. `None` without a largest value above zero.
    pub fn percent(&self) -> Option<i64> {
        let max = self.max.filter(|max| *max > 0)?;
        i64::try_from(i128::from(self.value) * 100 / i128::from(max)).ok()
    }
}

/// Formats a measurement like `disk available (/data): 3.2 GiB of 20.0 GiB (16 %)`.
impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.replace('_', " "))?;
        if let Some(subject) = &self.subject {
            write!(f, " ({subject})")?;
        }
        write!(f, ": {}", with_unit(self.value, &self.unit))?;
        match (self.max, self.percent()) {
            (Some(max), Some(percent)) => write!(f, " of {} ({percent} %)", with_unit(max, &self.unit)),
            _ => Ok(()),
        }
    }
}

/// A value with its unit. The unit of a count is omitted, because the name of the measurement contains it.
fn with_unit(value: i64, unit: &str) -> String {
    match unit {
        Measurement::BYTES => format_bytes(value),
        Measurement::PERCENT => format!("{value} %"),
        Measurement::MILLISECONDS => format!("{value} ms"),
        _ => value.to_string(),
    }
}

/// A number of bytes in the largest binary unit in which it is at least one, rounded down to one decimal. Fewer than
/// 1024 bytes are shown without a decimal.
pub fn format_bytes(bytes: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} bytes"),
    }
}

/// A machine, as described by a process that runs on it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct Machine {
    /// The same for all processes and containers of the machine until it is restarted.
    pub id: String,
    /// The host name that the process sees. In a container, it can differ from the host name of the machine.
    pub name: String,
    pub measurements: Vec<Measurement>,
}

/// Shortens texts, and drops measurements beyond the limit.
pub(super) fn bound_measurements(measurements: &mut Vec<Measurement>) {
    measurements.truncate(MAX_MEASUREMENTS);
    for measurement in measurements {
        truncate(&mut measurement.name, MAX_NAME);
        truncate(&mut measurement.unit, MAX_NAME);
        measurement.subject.iter_mut().for_each(|subject| truncate(subject, MAX_SUBJECT));
    }
}

/// Cuts a text to `max` characters. The last character of a cut text is an ellipsis.
pub(super) fn truncate(text: &mut String, max: usize) {
    if text.chars().count() > max {
        *text = text.chars().take(max.saturating_sub(1)).chain(['…']).collect();
    }
}

#[cfg(test)]
mod tests;
