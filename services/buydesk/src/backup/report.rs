//! The output of `buydesk backup` and `buydesk restore`.

use std::{path::Path, process::ExitCode, time::Duration};

use common::{
    api::{health::format_bytes, limit::remaining_of_limit},
    money::Sats,
    time::Timestamp,
};
use db_proxy::maintenance::{DatabaseSummary, JournalCheck, WalletTotal};
use serde_json::{Value, json};

use super::{
    file::{Content, WrittenFile},
    header::{ContentKind, Header},
    manifest::Manifest,
};
use crate::client::{VIOLATIONS_FOUND, describe_violation, journal_summary, print_line};

/// The limit over all orders, and its remaining part.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    limit: Sats,
    remaining: Sats,
}

impl Limit {
    /// `setting` is `BTC_LIMIT`, which applies if no operator has set a limit.
    pub fn of(setting: Sats, summary: &DatabaseSummary) -> Self {
        let limit = summary.limit.unwrap_or(setting);
        Self { limit, remaining: remaining_of_limit(limit, summary.bitcoin_amount, summary.reserved) }
    }
}

/// The result of `buydesk backup`.
pub struct BackupReport<'a> {
    pub path: &'a Path,
    pub header: &'a Header,
    pub written: &'a WrittenFile,
    pub summary: &'a DatabaseSummary,
    pub limit: Limit,
    pub duration: Duration,
}

impl BackupReport<'_> {
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        let Self { path, header, written: WrittenFile { content, bytes }, summary, limit, duration } = self;
        print_line(&if json {
            let mut document = described(header, content, Some(summary));
            document["file"] = json!(path);
            document["bytes"] = json!(bytes);
            document["limit"] = limit_document(*limit);
            document["duration_ms"] = duration_document(*duration);
            document.to_string()
        } else {
            format!(
                "Wrote {} in {:.1} s: {} of {}, encrypted with the key {}. The file was read back.\n{}\n{}",
                path.display(),
                duration.as_secs_f64(),
                size(*bytes),
                header.source,
                header.key_id,
                contents(header, summary),
                limit_text(*limit)
            )
        })
    }
}

/// The result of `buydesk backup check`.
pub struct CheckReport<'a> {
    pub path: &'a Path,
    pub header: &'a Header,
    pub content: &'a Content,
    /// `None` for a file of the write-ahead log.
    pub manifest: Option<&'a Manifest>,
}

impl CheckReport<'_> {
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        let Self { path, header, content, manifest } = self;
        let summary = manifest.map(|manifest| &manifest.summary);
        print_line(&if json {
            let mut document = described(header, content, summary);
            document["file"] = json!(path);
            document["server"] = json!(manifest.and_then(|manifest| manifest.server.as_ref()));
            document.to_string()
        } else {
            let contents = summary.map(|summary| format!("\n{}", contents(header, summary))).unwrap_or_default();
            format!(
                "{} is complete and undamaged: {} of {}, made at {} with version {}, {} when restored.{contents}",
                path.display(),
                header.content,
                header.source,
                header.created_at,
                header.program,
                size(content.bytes)
            )
        })
    }
}

/// A database that was restored and checked.
pub struct Restored {
    pub summary: DatabaseSummary,
    pub journal: JournalCheck,
    /// `None` for SQLite.
    pub server: Option<RestoredServer>,
}

/// A PostgreSQL server that was restored.
#[derive(Debug, Clone)]
pub struct RestoredServer {
    /// The major version of the server.
    pub version: i32,
    pub state: RestoredState,
}

/// The state of a restored PostgreSQL server.
#[derive(Debug, Clone, Copy)]
pub enum RestoredState {
    /// Every transaction in the backup.
    Backup,
    /// Every transaction in the backup and in the archive of the write-ahead log.
    Archive,
    /// The state at this time.
    Time(Timestamp),
}

impl RestoredState {
    fn time(self) -> Option<Timestamp> {
        match self {
            Self::Time(time) => Some(time),
            Self::Backup | Self::Archive => None,
        }
    }
}

/// The result of a restore, for the output.
pub struct RestoreReport<'a> {
    restored: Restored,
    file: &'a Path,
    target: &'a Path,
    limit: Limit,
    duration: Duration,
}

impl Restored {
    pub fn report<'a>(self, file: &'a Path, target: &'a Path, limit: Limit, duration: Duration) -> RestoreReport<'a> {
        RestoreReport { restored: self, file, target, limit, duration }
    }
}

impl RestoreReport<'_> {
    /// Prints the result. The exit code is 1 if the journal has violations.
    pub fn print(&self, json: bool) -> anyhow::Result<ExitCode> {
        let Self { restored: Restored { summary, journal, server }, file, target, limit, duration } = self;
        let JournalCheck { checked, violations } = journal;
        print_line(&if json {
            json!({
                "file": file,
                "restored_to": target,
                "contents": summary,
                "limit": limit_document(*limit),
                "journal": { "checked": checked, "violations": violations },
                "recovered_to_time": server.as_ref().and_then(|server| server.state.time()),
                "duration_ms": duration_document(*duration),
            })
            .to_string()
        } else {
            let mut lines = vec![
                format!("Restored {} to {} in {:.1} s.", file.display(), target.display(), duration.as_secs_f64()),
                rows(summary),
                limit_text(*limit),
                journal_summary(*checked, violations.len() as u64),
            ];
            lines.extend(violations.iter().map(describe_violation));
            lines.extend(server.as_ref().map(|server| server_text(server, target)));
            lines.join("\n")
        })?;
        Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(VIOLATIONS_FOUND) })
    }
}

fn server_text(RestoredServer { version, state }: &RestoredServer, target: &Path) -> String {
    let state = match state {
        RestoredState::Time(time) => format!("the state at {time}"),
        RestoredState::Archive => "every transaction in the backup and the archive".to_owned(),
        RestoredState::Backup => "every transaction in the backup".to_owned(),
    };
    format!(
        "{} is the data folder of a PostgreSQL {version} server with {state}. The server is stopped and ready to be \
         started.",
        target.display()
    )
}

/// The members that the JSON documents of [`BackupReport`] and [`CheckReport`] share.
fn described(header: &Header, content: &Content, summary: Option<&DatabaseSummary>) -> Value {
    json!({
        "content": header.content,
        "source": header.source,
        "created_at": header.created_at,
        "program": header.program,
        "key_id": header.key_id,
        "content_bytes": content.bytes,
        "content_sha256": content.sha256,
        "contents": summary,
    })
}

fn limit_document(Limit { limit, remaining }: Limit) -> Value {
    json!({ "limit": limit, "remaining": remaining })
}

fn duration_document(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// Describes the content of a backup. A backup of a PostgreSQL server also contains rows that were added during the
/// backup.
fn contents(header: &Header, summary: &DatabaseSummary) -> String {
    let prefix = if header.content == ContentKind::Postgresql { "At its start: " } else { "" };
    format!("{prefix}{}", rows(summary))
}

fn rows(summary: &DatabaseSummary) -> String {
    let DatabaseSummary { orders, bitcoin_amount, users, wallets, movements, entries, .. } = summary;
    let newest = summary.newest_order_at.map(|time| format!(", the newest of {time}")).unwrap_or_default();
    let totals = summary.wallet_totals.iter();
    let totals: Vec<_> = totals.map(|WalletTotal { currency, balance, .. }| format!("{balance} {currency}")).collect();
    let totals = if totals.is_empty() { String::new() } else { format!(" with {}", totals.join(", ")) };
    format!(
        "{orders} orders of {bitcoin_amount} BTC{newest}; {wallets} wallets{totals}; {movements} movements with {entries} entries in all accounts; \
         {users} users."
    )
}

fn limit_text(Limit { limit, remaining }: Limit) -> String {
    format!("The limit of all orders is {limit} BTC, and {remaining} BTC remain.")
}

fn size(bytes: u64) -> String {
    format_bytes(i64::try_from(bytes).unwrap_or(i64::MAX))
}
