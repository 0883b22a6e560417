//! Access of backups to a database while the service uses it: consistent copies, the summary of a database, and the
//! check of its journal.

mod journal;
mod postgres;
mod sqlite;
mod summary;

pub use self::{
    journal::{JournalCheck, check_journal},
    postgres::{PostgresMaintenance, PostgresServer, is_starting},
    sqlite::SqliteMaintenance,
    summary::{DatabaseSummary, WalletTotal},
};
