//! The commands and options for operators: health, alerts, logs and silences.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use common::{
    api::{alerts::MAX_SILENCE, reports::MinLevel},
    ids::{SilenceId, UserId},
    time::Timestamp,
};
use url::Url;

use super::{address, whole_number};

/// The address of health-check, for the commands that call it.
#[derive(Debug, Clone, Args)]
pub struct HealthCheckArgs {
    /// Address of health-check. The default is the port of health-check on the host of --server or `BUYDESK_URL`.
    /// Without --server, the setting `HEALTH_CHECK_URL` replaces this default.
    #[arg(long, value_name = "URL", value_parser = address("http://127.0.0.1:8050"))]
    pub health_check: Option<Url>,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Wait for new reports and show them until the command is interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// Maximum number of latest reports to show first.
    #[arg(short = 'n', long, default_value_t = 50, allow_negative_numbers = true, value_parser = whole_number(0..=1000_u32))]
    pub limit: u32,
    /// Show reports of this level or worse: critical, error, warning, info or debug.
    #[arg(short, long, default_value = "info")]
    pub level: MinLevel,
    /// Show reports of this service.
    #[arg(short, long)]
    pub service: Option<String>,
    /// Show reports whose message contains this text, or that are about the price source with this name.
    #[arg(short, long)]
    pub text: Option<String>,
    /// Show reports of the request with this id.
    #[arg(long)]
    pub request_id: Option<String>,
    /// Show reports that requests of the user with this id caused.
    #[arg(long)]
    pub user: Option<UserId>,
    /// Show reports received at this time or later, such as 2026-01-02T03:04:05Z.
    #[arg(long)]
    pub from: Option<Timestamp>,
    /// Show reports received before this time.
    #[arg(long, conflicts_with = "follow")]
    pub to: Option<Timestamp>,
    /// Show heartbeats too.
    #[arg(long)]
    pub heartbeats: bool,
    #[command(flatten)]
    pub health_check: HealthCheckArgs,
}

#[derive(Debug, Subcommand)]
pub enum SilenceCommand {
    /// Add a silence. While it lasts, no notification is sent when a matching alert fires.
    ///
    /// A name that health-check does not know yet is refused, because a misspelt name would silence nothing. health-check knows the
    /// services of the platform, and learns instances, components, currencies and machines from heartbeats. To set up a new machine
    /// without notifications, silence the alert by its name instead, such as --alert `DiskNearlyFull`.
    Add(AddSilenceArgs),
    /// List the silences that have not ended.
    List(HealthCheckArgs),
    /// Remove a silence before it ends.
    Remove {
        /// Id of the silence.
        id: SilenceId,
        #[command(flatten)]
        health_check: HealthCheckArgs,
    },
}

impl SilenceCommand {
    pub fn health_check(&self) -> Option<Url> {
        match self {
            Self::Add(AddSilenceArgs { health_check, .. })
            | Self::List(health_check)
            | Self::Remove { health_check, .. } => health_check.health_check.clone(),
        }
    }
}

#[derive(Debug, Args)]
#[command(
    override_usage = "buydesk silence add --service <SERVICE> --for <DURATION> --reason <TEXT>\n       \
                      buydesk silence add --alert <ALERT> --for <DURATION> --reason <TEXT>",
    group = ArgGroup::new("matcher").args(["alert", "service"]).required(true).multiple(true)
)]
pub struct AddSilenceArgs {
    /// Name of the alert, such as `ServiceMissing`. Without this option, the silence matches all alerts of the service.
    #[arg(short, long)]
    pub alert: Option<String>,
    /// Service, component, currency or machine that the alerts are about, such as db-proxy. A name that
    /// health-check does not know is refused.
    #[arg(short, long)]
    pub service: Option<String>,
    /// How long the silence lasts: a number with s, m, h or d, such as 90m. At most 30d.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    pub duration: Duration,
    /// Reason, such as a planned upgrade.
    #[arg(short, long, value_name = "TEXT")]
    pub reason: String,
    /// Your name, which is recorded with the silence. The default is the name of your account on this machine.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    #[command(flatten)]
    pub health_check: HealthCheckArgs,
}

/// Parses a duration with a unit, from one second to [`MAX_SILENCE`].
fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u64>().ok());
    let secs =
        number.and_then(|number| number.checked_mul(unit)).filter(|secs| (1..=MAX_SILENCE.as_secs()).contains(secs));
    secs.map(Duration::from_secs)
        .ok_or_else(|| "must be a number with s, m, h or d, from 1s to 30d, such as 90m".to_owned())
}

#[cfg(test)]
mod tests;
