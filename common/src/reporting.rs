//! Reports to health-check: the heartbeats of a service, and copies of its log records of level warning or worse, or
//! with the field `reported`.
//!
//! Reports go through a bounded queue and are sent in the background. A full queue drops its oldest report. A slow or
//! unavailable health-check therefore affects neither requests nor logs.

mod heartbeats;
mod log_records;
mod machine;
mod queue;
mod sender;

use std::{sync::OnceLock, time::Duration};

use url::Url;

pub use self::{
    heartbeats::Heartbeats,
    log_records::warning_sink,
    machine::disk_available,
    queue::{ReportQueue, ReportReceiver, report_queue},
    sender::send_reports,
};
use crate::config::{Caller, CallerToken, Env, shared};

#[derive(Debug, Clone)]
pub struct Config {
    /// The address of health-check.
    pub url: Url,
    pub token: CallerToken,
    /// The time between two heartbeats.
    pub heartbeat_interval: Duration,
}

impl Config {
    /// Reads the settings of reports that `caller` sends.
    pub fn from_env(env: &mut Env, caller: Caller) -> Self {
        Self {
            url: env.service_url("HEALTH_CHECK_URL", "health-check", 8050),
            token: shared::health_check_token(env, caller),
            heartbeat_interval: env.seconds("ALIVE_INTERVAL_SECS", 60, 1..=3600),
        }
    }
}

/// The name of this process among the instances of its services: the host name and the process id.
///
/// A restarted container normally has the same host name and process id, and therefore the same instance name.
/// health-check then replaces the instance that exited.
pub fn instance_name() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(|| format!("{}-{}", host_name(), std::process::id()))
}

/// The host name, without characters that are unsafe in a log, and at most 48 characters long.
fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.unwrap_or_default();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).take(48).collect();
    if host.is_empty() { "host".to_owned() } else { host }
}

#[cfg(test)]
mod tests;
