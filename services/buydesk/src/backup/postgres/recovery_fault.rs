//! Why a server did not complete its recovery, and what to do about it.

use std::{fmt, path::Path};

use super::LogSource;
use crate::client::ClientError;

/// Maximum number of lines from the end of the server's log in an error.
const SHOWN_LINES: usize = 8;
/// A part of the message of PostgreSQL if the archive has no transaction after the requested time.
const TARGET_NOT_REACHED: &str = "recovery ended before configured recovery target was reached";
/// The beginning and a part of the message of `buydesk backup fetch-wal` about an unusable file of the archive.
const UNUSABLE_FILE: (&str, &str) = ("the backup file ", " cannot be used");

/// The server ended before its recovery was complete.
#[derive(Debug)]
pub struct RecoveryFault {
    /// How the process ended.
    pub status: String,
    /// The log of the server.
    pub log: String,
}

/// The error of a restore to `target` whose recovery failed. `source` is the log that the server applied.
pub fn recovery_error(error: anyhow::Error, target: &Path, source: &LogSource) -> anyhow::Error {
    let name = target.display();
    match error.downcast::<RecoveryFault>() {
        Ok(fault) => fault.describe(target, source).into(),
        Err(error) => {
            error.context(format!("{name} was not restored, because the server did not complete its recovery"))
        }
    }
}

impl fmt::Display for RecoveryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server ended with {} before its recovery was complete", self.status)
    }
}

impl std::error::Error for RecoveryFault {}

impl RecoveryFault {
    fn describe(&self, target: &Path, source: &LogSource) -> ClientError {
        let (name, log) = (target.display(), &self.log);
        let error = match (source, self.unusable_file()) {
            (LogSource::Archive { folder, until: Some(until), .. }, _) if log.contains(TARGET_NOT_REACHED) => {
                let folder = folder.display();
                let message = format!(
                    "{name} was not restored: the archive {folder} has no transaction after {until}, the time of --to-time."
                );
                let next_step = "Name an earlier time, or restore every transaction in the archive without --to-time.";
                ClientError::new("time_not_reached", message, next_step)
            }
            (_, Some(reason)) => {
                let message = format!("{name} was not restored: {}.", reason.trim_end_matches('.'));
                let next_step = "Replace this file of the archive with another copy, or restore an earlier state with --to-time or \
                                 --no-wal. docs/backups.md describes them.";
                ClientError::new("archive_unusable", message, next_step)
            }
            _ => {
                let message = format!("{name} was not restored: {self}.");
                let next_step = "Correct the cause that the log of the server names, and run the command again.";
                ClientError::new("recovery_failed", message, next_step)
            }
        };
        error.with_server_log(end_of_log(log))
    }

    /// The message about a file of the archive that cannot be used.
    fn unusable_file(&self) -> Option<&str> {
        let (beginning, part) = UNUSABLE_FILE;
        let line = self.log.lines().rfind(|line| line.contains(beginning) && line.contains(part))?;
        line.find(beginning).map(|start| &line[start..])
    }
}

/// The last lines of the log.
pub fn end_of_log(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

#[cfg(test)]
mod tests;
