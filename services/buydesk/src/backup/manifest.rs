//! The first part of the content of a backup: a summary of the database. It is encrypted like the other parts.

use std::io::{Read, Write};

use anyhow::ensure;
use db_proxy::maintenance::{DatabaseSummary, PostgresServer};
use serde::{Deserialize, Serialize};

/// Maximum length of the manifest as JSON.
const MAX_BYTES: u32 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// For an SQLite database, the summary of the backup. For a PostgreSQL server, the summary at the start of the
    /// backup. Such a backup also contains rows that were added during the backup.
    pub summary: DatabaseSummary,
    /// `None` for SQLite.
    pub server: Option<PostgresServer>,
}

impl Manifest {
    /// Writes the length of the manifest and the manifest.
    pub fn write(&self, writer: &mut dyn Write) -> anyhow::Result<()> {
        let json = serde_json::to_vec(self)?;
        writer.write_all(&u32::try_from(json.len())?.to_be_bytes())?;
        writer.write_all(&json)?;
        Ok(())
    }

    pub fn read(reader: &mut dyn Read) -> anyhow::Result<Self> {
        let mut length = [0; 4];
        reader.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        ensure!(length <= MAX_BYTES, "its manifest is longer than {MAX_BYTES} bytes");
        let mut json = vec![0; length as usize];
        reader.read_exact(&mut json)?;
        Ok(serde_json::from_slice(&json)?)
    }
}
