//! Connections to a database that the service uses at the same time, for backups: consistent copies, what a database contains,
//! and the check of its journal.

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
