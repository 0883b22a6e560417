//! Why a backup cannot be made, and what to do about it.

use std::path::Path;

use common::paths::folder_of;
use sqlx::Error;

use crate::database::{
    DatabaseError,
    codes::{INSUFFICIENT_PRIVILEGE, has_code, sqlite, sqlite_class},
    identifier,
    postgres::describe_connect_failure,
};

/// The SQLSTATE if every replication slot of the server is in use.
const NO_FREE_SLOT: &str = "53400";
const MANUAL: &str = "docs/backups.md describes the role and the server that a backup needs.";

/// Why a backup cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BackupFault {
    pub code: &'static str,
    /// What happened, as a sentence.
    pub message: String,
    /// What the user can do, as a sentence.
    pub next_step: String,
}

impl BackupFault {
    fn new(code: &'static str, message: String, next_step: impl Into<String>) -> Self {
        Self { code, message, next_step: next_step.into() }
    }

    /// The rows of the database cannot be read. `database` names the file, or the URL without its password. `role` is
    /// the role of PostgreSQL.
    pub fn of_rows(database: &str, role: Option<&str>, error: &DatabaseError) -> Self {
        let cause = match error {
            DatabaseError::NotMigrated => {
                let message = format!("{database} has no tables of Buydesk, or tables of an older version.");
                let next_step =
                    "Set DATABASE_URL to the database of Buydesk. `buydesk up` of this version migrates an older one.";
                return Self::new("not_migrated", message, next_step);
            }
            DatabaseError::Rejected(error) | DatabaseError::Unavailable(error) => match role {
                Some(role) if has_code(error, INSUFFICIENT_PRIVILEGE) => {
                    let message = format!("The role {role} may not read the tables of {database}.");
                    let next_step =
                        format!("As a superuser, run `grant pg_read_all_data to {}`. {MANUAL}", identifier(role));
                    return Self::new("missing_privilege", message, next_step);
                }
                _ => describe(error),
            },
            error => error.chain(),
        };
        let next_step = "Correct the cause, and run the command again.";
        Self::new("database_unreadable", format!("{database} cannot be read: {cause}."), next_step)
    }

    /// PostgreSQL does not reserve its write-ahead log.
    pub(super) fn of_slot(role: &str, error: &Error) -> Self {
        if has_code(error, INSUFFICIENT_PRIVILEGE) {
            let message = format!("The role {role} may not make a backup: it needs the attribute REPLICATION.");
            let next_step = format!("As a superuser, run `alter role {} replication`. {MANUAL}", identifier(role));
            return Self::new("missing_privilege", message, next_step);
        }
        let message =
            format!("The server does not reserve its write-ahead log for the time of the backup: {}.", describe(error));
        let next_step = if has_code(error, NO_FREE_SLOT) {
            "Raise max_replication_slots of the server, or drop a slot that is not used; the view pg_replication_slots shows them."
        } else {
            MANUAL
        };
        Self::new("log_not_reserved", message, next_step)
    }

    /// The SQLite file `source` cannot be copied into the file `copy`.
    pub(super) fn of_copy(source: &Path, copy: &Path, error: &Error) -> Self {
        let (name, folder) = (source.display(), folder_of(copy).display());
        match sqlite_class(error) {
            Some(sqlite::NOT_A_DATABASE) => Self::new(
                "not_a_database",
                format!("{name} is not a database file of SQLite."),
                "Set DATABASE_URL to the database.",
            ),
            Some(sqlite::DAMAGED) => Self::new(
                "database_damaged",
                format!("The database file {name} is damaged."),
                "Restore the database from an earlier backup, see docs/runbooks/restore.md.",
            ),
            Some(sqlite::DISK_FULL) => Self::new(
                "disk_full",
                format!("The database {name} cannot be copied: the disk of the folder {folder} is full."),
                "Free at least as much space as the database occupies, and run the command again.",
            ),
            _ => Self::new(
                "database_not_copied",
                format!("The database {name} cannot be copied into the folder {folder}: {}.", describe(error)),
                "Correct the cause, and run the command again.",
            ),
        }
    }
}

/// The cause without the words that sqlx adds.
fn describe(error: &Error) -> String {
    describe_connect_failure(error).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
