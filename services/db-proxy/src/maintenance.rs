//! Access for backups to a database that the service uses at the same time: consistent copies, a summary, and a check
//! of the journal.

mod fault;
mod journal;
mod postgres;
mod sqlite;
mod summary;

pub use self::{
    fault::BackupFault,
    journal::{JournalCheck, check_journal},
    postgres::{PostgresMaintenance, PostgresServer, is_starting},
    sqlite::SqliteMaintenance,
    summary::{DatabaseSummary, WalletTotal},
};
