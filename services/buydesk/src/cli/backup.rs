//! The commands for backups.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use common::time::Timestamp;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BackupArgs {
    /// Folder for the backup. The default is the setting `BACKUP_DIR`.
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub key: KeyFileOption,
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
}

#[derive(Debug, Clone, Args)]
pub struct KeyFileOption {
    /// File with the key that encrypts backups. The default is the setting `BACKUP_KEY_FILE`.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Make a key and write it to a new file. Keep a copy in another place: without the key, no backup can be restored.
    Key {
        /// The file to create.
        file: PathBuf,
    },
    /// Decrypt a backup completely, without restoring it, and show what it contains.
    Check {
        /// The backup file.
        file: PathBuf,
        #[command(flatten)]
        key: KeyFileOption,
    },
    /// Store a file of the write-ahead log of PostgreSQL in the archive. For `archive_command`, with %p as PATH.
    Wal {
        /// Path of the file, as PostgreSQL passes it.
        path: PathBuf,
        /// Folder of the archive. The default is the setting `BACKUP_WAL_DIR`.
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        #[command(flatten)]
        key: KeyFileOption,
    },
    /// Fetch a file of the write-ahead log from the archive. For `restore_command`, with %f as NAME and %p as PATH.
    ///
    /// The exit code is 1 if the archive has no such file: PostgreSQL then ends the recovery. The exit code is 126 if
    /// the file cannot be used: PostgreSQL then stops.
    FetchWal {
        /// Name of the file.
        name: String,
        /// Where to write the file.
        path: PathBuf,
        /// Folder of the archive. The default is the setting `BACKUP_WAL_DIR`.
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        #[command(flatten)]
        key: KeyFileOption,
    },
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup file.
    pub file: PathBuf,
    /// The file (SQLite) or data folder (PostgreSQL) to create. For SQLite, the default is the file of `DATABASE_URL`.
    /// For PostgreSQL, there is no default.
    #[arg(long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// Restore the state at this time, such as 2026-01-02T03:04:05Z. Only PostgreSQL. By default, every transaction in
    /// the archive is restored.
    #[arg(long, value_name = "TIME")]
    pub to_time: Option<Timestamp>,
    /// Folder of the archive of the write-ahead log. The default is the setting `BACKUP_WAL_DIR`. Only PostgreSQL.
    #[arg(long, value_name = "FOLDER")]
    pub wal_from: Option<PathBuf>,
    /// Restore only the backup, without the archive of the write-ahead log. Only PostgreSQL.
    #[arg(long, conflicts_with_all = ["to_time", "wal_from"])]
    pub no_wal: bool,
    #[command(flatten)]
    pub key: KeyFileOption,
}
